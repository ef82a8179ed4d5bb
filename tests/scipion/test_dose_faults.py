# SPDX-License-Identifier: GPL-3.0-or-later
"""TomoScore vs dose: killed runs, locked databases, many tilt series, later protocols."""

import os
import random
import signal
import time

import pytest
from lab import ids, locked_again_and_again, log_of
from test_dose import views_on


@pytest.mark.slow
def test_kills_at_random_moments_lose_and_double_no_tilt_series(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    chance = random.Random(1)
    bests = [30.0, None, 20.0, 500.0, 40.0, 25.0, None, 35.0]
    source = lab.source_of_series([lab.series(f"TS_{n}", best) for n, best in enumerate(bests)])
    calm = lab.dose(source)
    assert calm.isFinished(), log_of(calm)
    hunted = lab.dose(source, wait=False)
    for _ in range(6):
        lab.until(lambda: hunted.isRunning() or not hunted.isActive(), hunted)
        time.sleep(chance.uniform(0, 6))
        for pid in lab.processes(hunted, engines=chance.random() < 0.5):
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)
        lab.until(lambda: not hunted.isActive(), hunted)
        lab.resume(hunted, wait=False)
    lab.until(lambda: not hunted.isActive(), hunted)
    assert hunted.isFinished(), log_of(hunted)
    for name in ("limitedTiltSeries", "failedTiltSeries"):
        assert views_on(getattr(hunted, name)) == views_on(getattr(calm, name))
        assert ids(hunted, name) == ids(calm, name)
    assert ids(hunted, "previewTomograms") == ids(hunted, "limitedTiltSeries")
    assert all(output.isStreamClosed() for _, output in hunted.iterOutputAttributes())


@pytest.mark.slow
def test_a_database_of_tilt_series_that_a_viewer_locks_is_waited_for(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    names = [f"TS_{number}" for number in range(6)]
    protocol = lab.dose(lab.source_of_series([lab.series(name) for name in names]), wait=False)
    lab.until(lambda: ids(protocol, "limitedTiltSeries"), protocol)
    with locked_again_and_again(protocol.limitedTiltSeries.getFileName()) as held:
        lab.until(lambda: not protocol.isActive(), protocol)
    assert protocol.isFinished() and held, log_of(protocol)
    assert ids(protocol, "limitedTiltSeries") == ids(protocol, "previewTomograms") == names
    assert {len(on) for on in views_on(protocol.limitedTiltSeries).values()} == {10}


@pytest.mark.slow
def test_a_session_of_tilt_series_takes_time_that_grows_with_their_number(lab):
    seconds = {}
    for count in (25, 100):
        entries = [lab.series(f"S{count}_{n}", views=41) for n in range(count)]
        source = lab.source_of_series(entries)
        begin = time.monotonic()
        protocol = lab.dose(source)
        seconds[count] = time.monotonic() - begin
        assert protocol.isFinished(), log_of(protocol)
        assert (
            len(ids(protocol, "limitedTiltSeries"))
            == len(ids(protocol, "previewTomograms"))
            == count
        )
    print(f"seconds {seconds}")
    assert seconds[100] < 2 * 4 * seconds[25]  # twice what is linear


def test_what_comes_after_leaves_the_disabled_views_out(lab):
    """Checks the views as reconstructions and tomo's search for tilt series read them."""
    from tomo.protocols import ProtTsFromTomos

    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    protocol = lab.dose(lab.source_of_series([lab.series("a"), lab.series("b", 500.0)]))
    assert protocol.isFinished(), log_of(protocol)
    series = protocol.limitedTiltSeries.getTiltSeriesFromTsId("a")
    enabled = views_on(protocol.limitedTiltSeries)["a"]
    assert set(range(1, 22)) - enabled == set(series.getExcludedViewsIndex())
    orders = {i.getAcquisitionOrder() for i in series.iterItems() if i.getIndex() in enabled}
    assert series.getTsPresentAcqOrders() == orders == set(range(1, 11))
    best = lab.new(ProtTomoScoreFilter, protocol, "previewTomograms", criterion=1, count=1)
    lab.launch(best)
    assert ids(best, "acceptedTomograms") == ["a"], log_of(best)
    back = lab.project.newProtocol(ProtTsFromTomos)
    for pointer, source, output in (
        (back.inTomoSet, best, "acceptedTomograms"),
        (back.inTsSet, protocol, "limitedTiltSeries"),
    ):
        pointer.set(source)
        pointer.setExtended(output)
    lab.launch(back)
    assert back.isFinished(), log_of(back)
    assert views_on(back.tiltSeries) == {"a": enabled}

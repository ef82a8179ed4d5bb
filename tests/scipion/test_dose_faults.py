# SPDX-License-Identifier: GPL-3.0-or-later
"""TomoScore vs dose: killed runs, locked databases, many tilt series, later protocols."""

import os
import random
import signal
import time

import pytest
from lab import ids, locked_repeatedly, log_of
from test_dose import views_on


@pytest.mark.slow
def test_kills_at_random_moments_lose_or_duplicate_no_tilt_series(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    chance = random.Random(1)
    bests = [30.0, None, 20.0, 500.0, 40.0, 25.0, None, 35.0]
    source = lab.source_of_series([lab.series(f"TS_{n}", best) for n, best in enumerate(bests)])
    undisturbed = lab.dose(source)
    assert undisturbed.isFinished(), log_of(undisturbed)
    interrupted = lab.dose(source, wait=False)
    for _ in range(6):
        lab.until(lambda: interrupted.isRunning() or not interrupted.isActive(), interrupted)
        time.sleep(chance.uniform(0, 6))
        for pid in lab.processes(interrupted, engines=chance.random() < 0.5):
            if os.path.exists(f"/proc/{pid}"):
                os.kill(pid, signal.SIGKILL)
        lab.until(lambda: not interrupted.isActive(), interrupted)
        lab.resume(interrupted, wait=False)
    lab.until(lambda: not interrupted.isActive(), interrupted)
    assert interrupted.isFinished(), log_of(interrupted)
    for name in ("limitedTiltSeries", "failedTiltSeries"):
        assert views_on(getattr(interrupted, name)) == views_on(getattr(undisturbed, name))
        assert ids(interrupted, name) == ids(undisturbed, name)
    assert ids(interrupted, "previewTomograms") == ids(interrupted, "limitedTiltSeries")
    assert all(output.isStreamClosed() for _, output in interrupted.iterOutputAttributes())


@pytest.mark.slow
def test_a_run_waits_for_a_tilt_series_database_locked_by_a_viewer(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    names = [f"TS_{number}" for number in range(6)]
    protocol = lab.dose(lab.source_of_series([lab.series(name) for name in names]), wait=False)
    lab.until(lambda: ids(protocol, "limitedTiltSeries"), protocol)
    with locked_repeatedly(protocol.limitedTiltSeries.getFileName()) as held:
        lab.until(lambda: not protocol.isActive(), protocol)
    assert protocol.isFinished() and held, log_of(protocol)
    assert ids(protocol, "limitedTiltSeries") == ids(protocol, "previewTomograms") == names
    assert {len(on) for on in views_on(protocol.limitedTiltSeries).values()} == {10}


@pytest.mark.slow
def test_run_time_grows_linearly_with_the_number_of_tilt_series(lab):
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
    assert seconds[100] < 2 * 4 * seconds[25]  # at most twice the linear time


def test_later_protocols_leave_out_the_disabled_views(lab):
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

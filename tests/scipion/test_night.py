# SPDX-License-Identifier: GPL-3.0-or-later
"""A short simulated night at a facility; `make night` runs the long one and prints figures."""

from pathlib import Path

import pytest
from lab import log_of

COUNT = 40


@pytest.mark.slow
def test_every_tomogram_has_one_verdict_after_a_night_with_faults(lab, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    import night

    monkeypatch.setenv("FAKE_SECONDS_PER_MB", "0")  # run_night sets it; restored after the test
    watch = night.run_night(lab, COUNT, interval_s=1.0)
    assert watch.scored.isFinished(), log_of(watch.scored)
    assert watch.without_one_verdict() == {}
    assert watch.sizes()["failedTomograms"] == 1  # the corrupt one; the kill fails none
    assert len(watch.latencies()) == COUNT
    assert all(getattr(watch.scored, name).isStreamClosed() for name in watch.sizes())
    assert watch.reports, "the report was not tried"

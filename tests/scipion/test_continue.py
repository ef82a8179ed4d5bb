# SPDX-License-Identifier: GPL-3.0-or-later
"""Continue neither loses, duplicates nor repeats a tomogram; verdicts follow the form."""

import os
import signal

import pytest
from lab import ids, log_of

NAMES = [f"TS_{n}" for n in range(6)]


def provenance_of(tomograms):
    from tomoscore_scipion.protocols import provenance

    return provenance.provenance_of(tomograms)


def verdicts(protocol):
    return {t.getTsId(): t._tomoScoreVerdict.get() for t in protocol.scoredTomograms}


@pytest.mark.parametrize("orphan", [False, True], ids=["all killed", "engine survives"])
def test_a_killed_run_resumes_on_continue(lab, engine_log, monkeypatch, tmp_path, orphan):
    gate = tmp_path / "gate"
    monkeypatch.setenv("FAKE_HOLD", "TS_4")
    monkeypatch.setenv("FAKE_GATE", str(gate))
    scores = [3, 1, None, 4, 2, 3]
    source = lab.source([lab.tomogram(name, score) for name, score in zip(NAMES, scores)])
    scored = lab.score(source, wait=False)
    lab.until(lambda: len(ids(scored, "scoredTomograms")) == 3, scored)
    for pid in lab.processes(scored, engines=not orphan):
        os.kill(pid, signal.SIGKILL)
    lab.until(lambda: scored.isFailed(), scored)
    finished = ids(scored, "scoredTomograms") + ids(scored, "failedTomograms")
    assert sorted(finished) == NAMES[:4]
    gate.touch()  # a surviving engine finishes its batch, while another scores the same
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_0", "TS_3", "TS_5"]
    assert ids(scored, "rejectedTomograms") == ["TS_1", "TS_4"]
    assert ids(scored, "scoredTomograms") == ["TS_0", "TS_1", "TS_3", "TS_4", "TS_5"]
    assert ids(scored, "failedTomograms") == ["TS_2"]
    second = engine_log()[0 if not orphan else -1]
    assert orphan or not set(second["ids"]) & set(finished)
    assert all(getattr(scored, n).isStreamClosed() for n, _ in scored.iterOutputAttributes())


def test_a_changed_threshold_updates_verdicts_without_scoring(lab, engine_log):
    source = lab.source([lab.tomogram(f"TS_{n}", n) for n in (1, 2, 3, None)])
    scored = lab.score(source)
    assert ids(scored, "acceptedTomograms") == ["TS_3"]
    scored.preset.set(3)
    scored.threshold.set(1.5)
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_2", "TS_3"]
    assert ids(scored, "rejectedTomograms") == ["TS_1"]
    assert verdicts(scored) == dict(TS_1="rejected", TS_2="accepted", TS_3="accepted")
    assert scored.failedTomograms._tomoScoreThreshold.get() == 1.5
    assert {t._tomoScoreVerdict.get() for t in scored.acceptedTomograms} == {"accepted"}
    assert scored.scoredTomograms._tomoScoreThreshold.get() == 1.5
    # A set that loses all its items is kept empty, and can be filled again.
    scored.threshold.set(0.0)
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_1", "TS_2", "TS_3"]
    assert ids(scored, "rejectedTomograms") == [] and scored.rejectedTomograms.getSize() == 0
    scored.threshold.set(5.0)
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == []
    assert ids(scored, "rejectedTomograms") == ["TS_1", "TS_2", "TS_3"]
    assert len(engine_log()) == 1


@pytest.mark.parametrize("half_written", [False, True], ids=["between", "while writing"])
def test_continue_reopens_a_stopped_stream_and_closes_it_for_consumers(lab, half_written):
    from tomoscore_testing.protocols import ProtTomoScoreTestConsumer

    entries = [lab.tomogram("TS_0", 3), lab.tomogram("TS_1", 3), lab.gated("TS_2", 3)]
    source = lab.source(entries, wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    lab.until(lambda: len(ids(scored, "scoredTomograms")) == 2, scored)
    lab.project.stopProtocol(scored)
    lab.until(lambda: not scored.isActive(), scored)
    if half_written:  # the scored set is the last that is written
        lab.forget(scored, scored.scoredTomograms)
    assert scored.acceptedTomograms.isStreamClosed()
    lab.resume(scored, wait=False)
    lab.until(lambda: scored.acceptedTomograms.isStreamOpen(), scored)
    consumer = lab.new(ProtTomoScoreTestConsumer, scored, "acceptedTomograms")
    lab.launch(consumer, wait=False)
    lab.open_gate("TS_2")
    lab.until(lambda: not scored.isActive() and not consumer.isActive(), scored, consumer)
    assert ids(scored, "acceptedTomograms") == ["TS_0", "TS_1", "TS_2"], log_of(scored)
    assert ids(consumer, "tomoMasks") == ["TS_0", "TS_1", "TS_2"], log_of(consumer)


def test_a_stop_while_writing_and_a_changed_threshold_duplicate_no_item(lab, engine_log):
    source = lab.source([lab.tomogram(f"TS_{n}", n) for n in (1, 2, 3)])
    scored = lab.score(source)
    lab.forget(scored, scored.scoredTomograms)
    scored.preset.set(3)
    scored.threshold.set(1.5)
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_2", "TS_3"]
    assert ids(scored, "rejectedTomograms") == ["TS_1"]
    assert verdicts(scored) == dict(TS_1="rejected", TS_2="accepted", TS_3="accepted")
    assert len(engine_log()) == 1


def test_changed_weights_voxel_size_or_slab_limits_need_restart(lab, tmp_path):
    scored = lab.score(lab.source([lab.tomogram("a")]))
    assert scored.validate() == []
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other weights")
    scored.weights.set(str(other))
    scored.voxelSize.set(8.0)
    scored.slabFirst.set(1)
    scored.slabLast.set(9)
    errors = scored.validate()
    assert [e.split(": ")[0] for e in errors] == ["*Weights*", "*Voxel size*", "*Slab limits*"]
    assert all("Restart" in error for error in errors)
    from pyworkflow.protocol import MODE_RESTART

    scored.runMode.set(MODE_RESTART)
    assert scored.validate() == []


def test_changed_settings_need_restart_even_if_all_failed(lab):
    scored = lab.score(lab.source([lab.tomogram("a", None)]))
    assert scored.isFailed() and scored.validate() == []
    scored.voxelSize.set(8.0)
    (error,) = scored.validate()
    assert error.startswith("*Voxel size*") and "Restart" in error


def test_restart_scores_again_with_the_current_form(lab, engine_log):
    source = lab.source([lab.tomogram(f"TS_{n}", n) for n in (1, 2, 3)])
    scored = lab.score(source)
    scored.preset.set(3)
    scored.threshold.set(1.5)
    scored.slabLast.set(9)
    scored.voxelSize.set(8.0)
    lab.restart(scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_2", "TS_3"]
    assert ids(scored, "scoredTomograms") == ["TS_1", "TS_2", "TS_3"]
    made = provenance_of(scored.scoredTomograms)
    assert made["_tomoScoreThreshold"] == 1.5 and made["_tomoScoreVoxelSize"] == 8.0
    assert (made["_tomoScoreSlabFirst"], made["_tomoScoreSlabLast"]) == (0, 9)
    assert [len(start["ids"]) for start in engine_log()] == [3, 3]

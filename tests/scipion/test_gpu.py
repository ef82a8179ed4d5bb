# SPDX-License-Identifier: GPL-3.0-or-later
"""Use of GPUs: one process per GPU, all GPUs are used, the scheduler's choice is respected."""

from pathlib import Path

import pytest
from lab import ids, log_of


def test_two_gpus_are_both_used_by_one_process_each(lab, engine_log, monkeypatch):
    monkeypatch.setenv("FAKE_GPUS", "6")
    monkeypatch.setenv("FAKE_SECONDS", "2")
    names = [f"TS_{n}" for n in range(8)]
    entries = [*map(lab.tomogram, names[:6]), lab.gated("TS_6"), lab.tomogram("TS_7")]
    source = lab.source(entries, wait=False)
    lab.until(lambda: len(ids(source, "Tomograms")) == 6, source)
    scored = lab.score(source, wait=False, useGpu=True, gpuList="3 5", numberOfThreads=4)
    lab.until(lambda: ids(scored, "scoredTomograms"), scored)
    lab.open_gate("TS_6")
    lab.until(lambda: not scored.isActive(), scored)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "scoredTomograms") == names
    starts = engine_log()
    assert {start["gpus"] for start in starts} == {"3", "5"}
    assert {start["device"] for start in starts} == {"cuda:0"}
    assert sorted(sum((start["ids"] for start in starts), [])) == names
    assert len(starts) > 2
    for gpu in ("3", "5"):
        spans = sorted((s["begin"], s["end"]) for s in starts if s["gpus"] == gpu)
        assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:]))


def test_a_slow_batch_does_not_delay_others(lab, engine_log, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    monkeypatch.setenv("FAKE_HOLD", "TS_0")
    monkeypatch.setenv("FAKE_GATE", str(gate))
    names = [f"TS_{n}" for n in range(5)]
    entries = [*map(lab.tomogram, names[:4]), lab.gated("TS_4")]
    source = lab.source(entries, chunk=2, wait=False)
    lab.until(lambda: len(ids(source, "Tomograms")) == 4, source)
    scored = lab.score(source, wait=False, numberOfThreads=4)
    lab.until(lambda: ids(scored, "acceptedTomograms") == ["TS_1", "TS_3"], scored)
    lab.open_gate("TS_4")
    lab.until(lambda: ids(scored, "acceptedTomograms") == ["TS_1", "TS_3", "TS_4"], scored)
    gate.touch()
    lab.until(lambda: not scored.isActive(), scored)
    assert ids(scored, "acceptedTomograms") == names, log_of(scored)
    assert [start["ids"] for start in engine_log()][-1] == ["TS_0", "TS_2"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_are_busy_to_the_end(lab, engine_log, monkeypatch, workers):
    """In a real project; test_exchange.py has batches alone, and up to 1,000 tomograms."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    import batches

    monkeypatch.setenv("FAKE_SECONDS_PER_MB", str(batches.SECONDS_PER_MB))
    source, seconds = batches.make_source(lab, count=16)
    number, measured, _ = batches.time_protocol(lab, source, workers)
    assert number == workers
    assert measured <= batches.allowed(batches.list_schedule(seconds, workers))


def test_on_the_cpu_neither_gpus_nor_pythonpath_are_set(lab, engine_log, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    lab.score(lab.source([lab.tomogram("a")]))
    (start,) = engine_log()
    assert (start["gpus"], start["device"], start["pythonpath"]) == (None, "cpu", None)


def test_a_missing_gpu_is_an_error_of_the_form(lab, monkeypatch):
    from tomoscore_scipion import installation
    from tomoscore_scipion.protocols import ProtTomoScore

    installation._answers.clear()
    source = lab.source([lab.tomogram("a")])
    protocol = lab.new(ProtTomoScore, source, useGpu=True, gpuList="0")
    (error,) = protocol.validate()
    assert "0 not found, there is no GPU" in error and "Use GPU" in error
    monkeypatch.setenv("FAKE_GPUS", "2")
    installation._answers.clear()
    assert protocol.validate() == []
    protocol.gpuList.set("1 2")
    assert "2 not found, there is 0, 1" in protocol.validate()[0]
    protocol.gpuList.set("one")
    assert 'expected numbers such as "0 1"' in protocol.validate()[0]
    installation._answers.clear()


def test_each_gpu_has_a_step_from_the_start_and_a_new_one_on_continue(scipion, tmp_path):
    """GPUs are reserved by step id; a step that is inserted later has no id at first."""
    from tomoscore_scipion.protocols import ProtTomoScore

    def steps():
        protocol = ProtTomoScore(
            useGpu=True, gpuList="0 1 2", numberOfThreads=4, workingDir=str(tmp_path)
        )
        protocol._insertAllSteps()
        return protocol.getSteps()

    generator, *scoring = steps()
    assert [step.needsGPU() for step in (generator, *scoring)] == [False, True, True]
    assert all(step.isNew() and not step._prerequisites for step in scoring)
    assert not any(one == other for one, other in zip(scoring, steps()[1:]))

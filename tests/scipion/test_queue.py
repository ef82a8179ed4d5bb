# SPDX-License-Identifier: GPL-3.0-or-later
"""Under a queue, which says which GPUs are visible and reports no exit codes."""

import pytest
from lab import ids, log_of


def queued(lab, source, each_step, **values):
    from tomoscore_scipion.protocols import ProtTomoScore

    box = lab.new(ProtTomoScore, source, **values)
    box._useQueue.set(True)
    box.setQueueParams(("default", {"QUEUE_FOR_JOBS": "Y" if each_step else "N"}))
    lab.launch(box, wait=False)
    lab.until(lambda: not box.isActive(), box)
    return box


@pytest.mark.slow
@pytest.mark.parametrize("each_step", [True, False], ids=["each step", "the whole protocol"])
def test_the_scheduler_says_which_gpu_is_used(lab, engine_log, each_step):
    source = lab.source([lab.tomogram("a", 3.0), lab.tomogram("b", None), lab.tomogram("c", 1.0)])
    box = queued(lab, source, each_step, useGpu=True, gpuList="3")
    assert box.isFinished(), log_of(box)
    assert ids(box, "acceptedTomograms") == ["a"]
    assert ids(box, "rejectedTomograms") == ["c"]
    assert ids(box, "failedTomograms") == ["b"]
    (start,) = engine_log()
    assert (start["gpus"], start["device"]) == ("7", "cuda:0")


@pytest.mark.slow
def test_a_job_that_dies_is_seen_though_its_exit_code_is_not(lab, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "no weights")
    box = queued(lab, lab.source([lab.tomogram("a")]), each_step=True)
    assert box.isFailed()
    assert "could not start: no weights" in box.getErrorMessage()


@pytest.mark.slow
@pytest.mark.parametrize("each_step", [True, False], ids=["each step", "the whole protocol"])
def test_a_queue_that_refuses_jobs_fails_the_protocol_with_its_reason(lab, monkeypatch, each_step):
    source = lab.source([lab.tomogram("a"), lab.gated("b")], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    monkeypatch.setenv("FAKE_QUEUE_ERROR", "invalid partition")
    box = queued(lab, source, each_step)
    assert box.isFailed()
    assert "invalid partition" in box.getErrorMessage() + log_of(box)
    assert not hasattr(box, "scoredTomograms")
    lab.until(lambda: not lab.processes(box), box)  # though its input is still growing
    lab.project.stopProtocol(source)

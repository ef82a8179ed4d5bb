# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs under a batch queue, which sets the visible GPUs and reports no exit codes."""

import pytest
from lab import ids, log_of


def queued(lab, source, each_step, **values):
    from tomoscore_scipion.protocols import ProtTomoScore

    protocol = lab.new(ProtTomoScore, source, **values)
    protocol._useQueue.set(True)
    protocol.setQueueParams(("default", {"QUEUE_FOR_JOBS": "Y" if each_step else "N"}))
    lab.launch(protocol, wait=False)
    lab.until(lambda: not protocol.isActive(), protocol)
    return protocol


@pytest.mark.slow
@pytest.mark.parametrize("each_step", [True, False], ids=["each step", "the whole protocol"])
def test_the_gpu_of_the_scheduler_is_used(lab, engine_log, each_step):
    source = lab.source([lab.tomogram("a", 3.0), lab.tomogram("b", None), lab.tomogram("c", 1.0)])
    protocol = queued(lab, source, each_step, useGpu=True, gpuList="3")
    assert protocol.isFinished(), log_of(protocol)
    assert ids(protocol, "acceptedTomograms") == ["a"]
    assert ids(protocol, "rejectedTomograms") == ["c"]
    assert ids(protocol, "failedTomograms") == ["b"]
    (start,) = engine_log()
    assert (start["gpus"], start["device"]) == ("7", "cuda:0")


@pytest.mark.slow
def test_a_failed_job_is_detected_without_its_exit_code(lab, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "no weights")
    protocol = queued(lab, lab.source([lab.tomogram("a")]), each_step=True)
    assert protocol.isFailed()
    assert "could not start: no weights" in protocol.getErrorMessage()


@pytest.mark.slow
@pytest.mark.parametrize("each_step", [True, False], ids=["each step", "the whole protocol"])
def test_a_queue_that_refuses_jobs_fails_the_protocol_with_its_reason(lab, monkeypatch, each_step):
    source = lab.source([lab.tomogram("a"), lab.gated("b")], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    monkeypatch.setenv("FAKE_QUEUE_ERROR", "invalid partition")
    protocol = queued(lab, source, each_step)
    assert protocol.isFailed()
    assert "invalid partition" in protocol.getErrorMessage() + log_of(protocol)
    assert not hasattr(protocol, "scoredTomograms")
    lab.until(lambda: not lab.processes(protocol), protocol)  # even while its input is growing
    lab.project.stopProtocol(source)

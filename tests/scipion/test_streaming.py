# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming: tomograms are scored and passed on one by one as they arrive."""

import pytest
from lab import ids, log_of


def test_a_stream_with_a_corrupt_item_is_scored_as_it_arrives_and_is_closed(lab, engine_log):
    from tomoscore_testing.protocols import ProtTomoScoreTestConsumer

    entries = [lab.tomogram("TS_0", 3)]
    entries += [lab.gated(f"TS_{n}", s) for n, s in ((1, 1), (2, None), (3, 4), (4, 2.5))]
    source = lab.source(entries, wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    # Each result exists, and its set is open, before the next tomogram arrives.
    for number, name in enumerate(("accepted", "rejected", "failed", "accepted")):
        lab.until(lambda: f"TS_{number}" in ids(scored, f"{name}Tomograms"), source, scored)  # noqa: B023
        assert source.isActive() and getattr(scored, f"{name}Tomograms").isStreamOpen()
        if number == 0:
            consumer = lab.new(ProtTomoScoreTestConsumer, scored, "acceptedTomograms")
            lab.launch(consumer, wait=False)
        lab.open_gate(f"TS_{number + 1}")
    lab.until(lambda: not scored.isActive(), source, scored, consumer)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "acceptedTomograms") == ["TS_0", "TS_3", "TS_4"]
    assert ids(scored, "rejectedTomograms") == ["TS_1"]
    assert ids(scored, "failedTomograms") == ["TS_2"]
    for name in ("scoredTomograms", "acceptedTomograms", "failedTomograms"):
        assert getattr(scored, name).isStreamClosed()
    lab.until(lambda: not consumer.isActive(), consumer)
    assert ids(consumer, "tomoMasks") == ["TS_0", "TS_3", "TS_4"], log_of(consumer)
    batches = [start["ids"] for start in engine_log()]
    assert batches == [[f"TS_{n}"] for n in range(5)]


def test_a_failed_run_leaves_no_process_waiting_for_the_input(lab, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "no weights")
    entries = [lab.tomogram("a"), lab.gated("b")]
    source = lab.source(entries, wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    lab.until(lambda: not scored.isActive(), scored)
    assert scored.isFailed() and "no weights" in scored.getErrorMessage()
    lab.until(lambda: not lab.processes(scored), scored)
    assert source.isActive()
    lab.project.stopProtocol(source)


def test_a_failed_step_that_the_executor_missed_fails_the_run(scipion, tmp_path, monkeypatch):
    """The executor asks for ended steps, then for remaining ones; a step may fail in between."""
    from pyworkflow.protocol import Protocol
    from pyworkflow.protocol.constants import STATUS_FAILED, STATUS_FINISHED

    from tomoscore_scipion.protocols import ProtTomoScore

    calls = []

    def record_call(self, step):
        calls.append(step)
        self.lastStatus = step.getStatus()
        return not step.isFailed()

    monkeypatch.setattr(Protocol, "_stepFinished", record_call)
    protocol = ProtTomoScore(workingDir=str(tmp_path))
    for slot in range(2):
        protocol._insertFunctionStep(protocol.scoreBatchesStep, slot, "now", needsGPU=False)
    protocol._newSteps = False  # all steps are stored
    generator, batch = protocol.getSteps()
    batch.setFinished()
    protocol.lastStatus = STATUS_FINISHED
    protocol._stepsCheck()
    assert calls == []
    generator.setFailed("the engine could not start")
    protocol._stepsCheck()
    assert calls == [generator] and protocol.lastStatus == STATUS_FAILED
    assert protocol._stepFinished(generator) is False
    protocol._stepsCheck()
    assert calls == [generator]


@pytest.mark.slow
@pytest.mark.parametrize("n_best", [2])
def test_the_best_n_are_chosen_when_the_input_is_complete(lab, n_best):
    entries = [lab.tomogram(f"TS_{n}", score) for n, score in enumerate((3, 4, 1))]
    source = lab.source([*entries, lab.gated("TS_3", 3.5)], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False, atMost=n_best)
    lab.until(lambda: len(ids(scored, "scoredTomograms")) == 3, scored)
    assert not hasattr(scored, "acceptedTomograms")
    lab.open_gate("TS_3")
    lab.until(lambda: not scored.isActive(), scored)
    assert ids(scored, "acceptedTomograms") == ["TS_1", "TS_3"], log_of(scored)
    assert ids(scored, "rejectedTomograms") == ["TS_0", "TS_2"]
    verdicts = {t.getTsId(): t._tomoScoreVerdict.get() for t in scored.scoredTomograms}
    assert verdicts == dict(TS_0="rejected", TS_1="accepted", TS_2="rejected", TS_3="accepted")

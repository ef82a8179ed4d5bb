# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is stopped in any phase, or with a damaged database, recovers with Continue."""

import os
import sqlite3
from pathlib import Path

import pytest
from lab import ids, log_of

NAMES = [f"TS_{n}" for n in range(4)]
SETS = ("scoredTomograms", "acceptedTomograms", "rejectedTomograms", "failedTomograms")
SCORES = (3.5, 1.0, None, 4.0)


def run_sql(path, command, *values):
    database = sqlite3.connect(os.path.abspath(path))
    with database:
        count = database.execute(command, values).rowcount
    database.close()
    return count


def lose(project, protocol, output, what):
    """Remove the rows of an output from the project's database, or its file, as a stop may do."""
    project.mapper.commit()
    row = getattr(protocol, output).getObjId()
    child = f"{protocol.getObjId()}.{row}."
    if what == "path":
        lost = run_sql(project.dbPath, "DELETE FROM Objects WHERE name = ?", child + "_mapperPath")
        assert lost == 1
    elif what == "all attributes":
        lost = run_sql(project.dbPath, "DELETE FROM Objects WHERE name LIKE ?", child + "%")
        assert lost > 10
    else:
        os.remove(getattr(protocol, output).getFileName())


def fresh(project, protocol):
    """The protocol as the project's window loads it."""
    from pyworkflow.project import Project

    again = Project(project._domain, project.path)
    again.load()
    return again, again.getProtocol(protocol.getObjId())


@pytest.fixture
def stopped(lab):
    """A run with scored, rejected and failed tomograms, and one not yet scored."""
    entries = [lab.tomogram(name, score) for name, score in zip(NAMES, SCORES)]
    source = lab.source([*entries, lab.gated("TS_4", 3.0)], wait=False)
    lab.until(lambda: hasattr(source, "Tomograms"), source)
    scored = lab.score(source, wait=False)
    lab.until(lambda: len(ids(scored, "scoredTomograms")) == 3, source, scored)
    lab.until(lambda: ids(scored, "failedTomograms"), scored)
    lab.project.stopProtocol(scored)
    lab.until(lambda: not scored.isActive(), scored)
    lab.open_gate("TS_4")
    lab.until(lambda: not source.isActive(), source)
    return scored


def check_complete(scored):
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "scoredTomograms") == ["TS_0", "TS_1", "TS_3", "TS_4"]
    assert ids(scored, "acceptedTomograms") == ["TS_0", "TS_3", "TS_4"]
    assert ids(scored, "rejectedTomograms") == ["TS_1"]
    assert ids(scored, "failedTomograms") == ["TS_2"]
    for name in SETS:
        tomograms = getattr(scored, name)
        assert tomograms.isStreamClosed()
        assert tomograms.getSamplingRate() == 10.0
        assert tomograms._tomoScoreModelSha256.get() == "ab" * 32


@pytest.mark.parametrize("what", ["path", "all attributes", "file"])
@pytest.mark.parametrize("output", SETS)
def test_continue_recovers_an_output_with_lost_rows_or_a_lost_file(
    lab, stopped, engine_log, output, what
):
    lose(lab.project, stopped, output, what)
    project, scored = fresh(lab.project, stopped)
    summary = "\n".join(scored.summary())
    assert ("Cannot be read" in summary) is (what == "file"), summary
    assert "mapper path" not in summary and "scored 3" in summary or what == "file"
    assert scored.validate() == []
    lab.project = project
    lab.resume(scored)
    check_complete(scored)
    again = {name for start in engine_log() for name in start["ids"]}
    assert again <= {"TS_4", "TS_2"}  # nothing that was scored is scored again


def test_the_wizard_reads_an_output_that_lost_its_path(lab, stopped):
    from tomoscore_scipion.wizards import scored_for

    lose(lab.project, stopped, "scoredTomograms", "path")
    _, scored = fresh(lab.project, stopped)
    assert scored_for(scored).scores() == {"TS_0": 3.5, "TS_1": 1.0, "TS_3": 4.0}


class Stream:
    """A scheduled streaming run with protocols after it, as in a facility."""

    def __init__(self, lab, followed):
        from tomoscore_testing.protocols import ProtTomoScoreTestConsumer

        from tomoscore_scipion.protocols import ProtTomoScore

        self.lab = lab
        entries = [lab.gated(f"TS_{n}", 3.0 + n / 8) for n in range(4)]
        lab.open_gate("TS_0")
        self.source = lab.source(entries, wait=False)
        self.scored = lab.new(ProtTomoScore, self.source)
        lab.project.scheduleProtocol(self.scored)
        self.consumers = []
        for number in range(followed):
            consumer = lab.new(ProtTomoScoreTestConsumer, self.scored, "acceptedTomograms")
            self.consumers.append(consumer)
            # The first is scheduled; the others are only saved, and take ids in the database.
            work = lab.project.saveProtocol if number else lab.project.scheduleProtocol
            work(consumer)

    def until(self, condition):
        self.lab.until(condition, self.source, self.scored, *self.consumers[:1])

    def follow_again(self):
        """Start the stopped consumer again at once, even if the run is not yet active.

        Scipion continues a protocol only if its input exists; otherwise it is scheduled.
        """
        consumer = self.consumers[0]
        if hasattr(self.scored, "acceptedTomograms"):
            self.lab.resume(consumer, wait=False)
        else:
            self.lab.project.scheduleProtocol(consumer)

    def stop(self):
        self.lab.project.stopProtocol(self.scored)
        self.until(lambda: not self.scored.isActive())


def before_the_first_output(stream):
    stream.until(lambda: stream.scored.isRunning())


def between_batches(stream):
    stream.until(lambda: len(ids(stream.scored, "scoredTomograms")) == 1)
    stream.lab.open_gate("TS_1")
    stream.until(lambda: len(ids(stream.scored, "scoredTomograms")) == 2)


def while_results_are_registered(stream):
    """Stop as soon as the engine has a record of the second tomogram."""
    stream.until(lambda: len(ids(stream.scored, "scoredTomograms")) == 1)
    stream.lab.open_gate("TS_1")
    batches = Path(stream.scored._getExtraPath("batches"))
    stream.until(lambda: len(list(batches.glob("*/results.jsonl"))) == 2)


@pytest.mark.slow
@pytest.mark.parametrize("followed", [0, 1, 2, 4])
@pytest.mark.parametrize(
    "phase", [before_the_first_output, between_batches, while_results_are_registered]
)
def test_a_scheduled_run_stopped_in_any_phase_resumes(lab, phase, followed):
    stream = Stream(lab, followed)
    phase(stream)
    stream.stop()
    assert "mapper path" not in "\n".join(stream.scored.summary())
    if followed:
        stream.lab.project.stopProtocol(stream.consumers[0])
        stream.until(lambda: not stream.consumers[0].isActive())
    lab.resume(stream.scored, wait=False)
    if followed:
        stream.follow_again()
    for name in NAMES:
        lab.open_gate(name)
    stream.until(lambda: not stream.scored.isActive())
    assert stream.scored.isFinished(), log_of(stream.scored)
    assert ids(stream.scored, "scoredTomograms") == NAMES
    assert ids(stream.scored, "acceptedTomograms") == NAMES
    if followed:
        stream.until(lambda: not stream.consumers[0].isActive())
        assert ids(stream.consumers[0], "tomoMasks") == NAMES, log_of(stream.consumers[0])

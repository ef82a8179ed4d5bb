# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults in a project: bad files, a dying or hanging engine, locked databases, parallel runs."""

import os
import random
import resource
import shlex
import signal
import sys
import time

import bad_tomograms
import numpy as np
import pytest
import scoring_fakes
from bad_tomograms import ONLY_VOXEL_SIZE, REFUSED, SCORED
from lab import ids, locked_repeatedly, log_of, write_mrc
from test_real_engine import real_engine  # noqa: F401

from tomoscore_scipion.protocols.item_attributes import ERROR, SCORE, VERDICT, value

PATIENT = 1800
"""Seconds to wait for a run: the machine may be busy."""


def errors_of(protocol):
    return {item.getTsId(): value(item, ERROR) for item in protocol.failedTomograms}


def scores_of(protocol):
    return {
        item.getTsId(): (value(item, SCORE), value(item, VERDICT))
        for item in protocol.scoredTomograms
    }


def test_every_bad_tomogram_fails_with_the_engines_reason_and_the_others_are_scored(
    lab,
    real_engine,  # noqa: F811
):
    paths = bad_tomograms.make_all(lab.folder)
    scored = lab.score(lab.source([{"tsId": n, "path": str(p)} for n, p in paths.items()]))
    assert scored.isFinished(), log_of(scored)
    readable = {"permission denied"} if os.geteuid() == 0 else set()
    readable |= set(ONLY_VOXEL_SIZE)  # the set's sampling rate is given to the engine
    assert ids(scored, "scoredTomograms") == sorted({*SCORED, *readable})
    errors = errors_of(scored)
    assert errors.keys() == REFUSED.keys() - readable
    assert {n: e for n, e in errors.items() if REFUSED[n][1] not in e} == {}
    assert all(error.endswith(f"(file {paths[name]})") for name, error in errors.items())


@pytest.fixture
def fake_scorer(tmp_path, monkeypatch):
    """The real engine with a fake scorer, which may need 30 s per tomogram, as `tomoscore`."""
    from tomoscore_scipion.plugin import TOMOSCORE_ENV_ACTIVATION, Plugin

    program = tmp_path / "bin" / "tomoscore"
    program.parent.mkdir()
    fake = f"{shlex.quote(sys.executable)} {shlex.quote(scoring_fakes.__file__)}"
    program.write_text(
        f'#!/bin/sh\nlimit=""\n[ "$1" = score ] && limit="--timeout 30"\nexec {fake} "$@" $limit\n'
    )
    program.chmod(0o755)
    activation = f"PATH={shlex.quote(str(program.parent))}:$PATH"
    monkeypatch.setenv(TOMOSCORE_ENV_ACTIVATION, activation)
    monkeypatch.setitem(Plugin._vars, TOMOSCORE_ENV_ACTIVATION, activation)


def test_an_engine_that_hangs_crashes_or_is_killed_fails_one_tomogram_each(lab, fake_scorer):
    entries = []
    for name, score in (("good", 3), ("hang", 1), ("crash", 1), ("killed", 1), ("low", 1)):
        np.save(lab.folder / f"{name}.npy", np.full(2, float(score)))
        entries.append({"tsId": name, "path": str(lab.folder / f"{name}.npy")})
    scored = lab.score(lab.source(entries))
    assert scored.isFinished(), log_of(scored)
    assert scores_of(scored) == {"good": (3.0, "accepted"), "low": (1.0, "rejected")}
    errors = errors_of(scored)
    assert "gave no answer within 30 s" in errors.pop("hang")
    assert "crashed (SIGSEGV)" in errors.pop("crash")
    assert "was killed (SIGKILL); most likely the memory ran out" in errors.pop("killed")
    assert errors == {}


def test_a_run_waits_for_a_database_locked_by_a_viewer(lab, monkeypatch):
    """Another thread locks the output's database repeatedly during the run."""
    monkeypatch.setenv("FAKE_SECONDS", "1")
    names = [f"TS_{number}" for number in range(8)]
    source = lab.source([lab.tomogram(name) for name in names])
    scored = lab.score(source, wait=False)
    lab.until(lambda: len(ids(scored, "scoredTomograms")) >= 1, scored, seconds=PATIENT)
    with locked_repeatedly(scored.scoredTomograms.getFileName()) as held:
        lab.until(lambda: not scored.isActive(), scored, seconds=PATIENT)
    assert scored.isFinished(), log_of(scored)
    assert held
    assert ids(scored, "scoredTomograms") == ids(scored, "acceptedTomograms") == names


def test_two_parallel_runs_in_one_project_do_not_interfere(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.5")
    scores = [3, 1, None, 4, 2]
    names = [f"TS_{number}" for number in range(5)]
    source = lab.source([lab.tomogram(name, score) for name, score in zip(names, scores)])
    one, other = (lab.score(source, wait=False) for _ in range(2))
    lab.until(lambda: not one.isActive() and not other.isActive(), one, other, seconds=PATIENT)
    for scored in (one, other):
        assert scored.isFinished(), log_of(scored)
        assert ids(scored, "acceptedTomograms") == ["TS_0", "TS_3"]
        assert ids(scored, "rejectedTomograms") == ["TS_1", "TS_4"]
        assert ids(scored, "failedTomograms") == ["TS_2"]
    assert scores_of(one) == scores_of(other)


def verdicts(protocol):
    """{tsId: [sets that it is in]} of the outputs."""
    found = {}
    for name in ("acceptedTomograms", "rejectedTomograms", "failedTomograms"):
        for ts_id in ids(protocol, name):
            found.setdefault(ts_id, []).append(name)
    return found


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended by itself


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_ten_kills_of_the_protocol_at_random_moments_lose_or_duplicate_nothing(
    lab, monkeypatch, seed
):
    monkeypatch.setenv("FAKE_SECONDS", "1")
    chance = random.Random(seed)
    scores = [chance.choice([None, 1.0, 2.0, 3.0, 4.0]) for _ in range(20)] + [3.5, 0.5, None]
    entries = [lab.tomogram(f"TS_{n:02}", score) for n, score in enumerate(scores)]
    source = lab.source(entries)
    undisturbed = lab.score(source)
    assert undisturbed.isFinished(), log_of(undisturbed)
    interrupted = lab.score(source, wait=False)
    for _ in range(10):
        lab.until(
            lambda: interrupted.isRunning() or not interrupted.isActive(),
            interrupted,
            seconds=PATIENT,
        )
        time.sleep(chance.uniform(0, 6))
        kill(lab.processes(interrupted, engines=chance.random() < 0.5))
        lab.until(lambda: not interrupted.isActive(), interrupted, seconds=PATIENT)
        lab.resume(interrupted, wait=False)
    lab.until(lambda: not interrupted.isActive(), interrupted, seconds=PATIENT)
    assert interrupted.isFinished(), log_of(interrupted)
    assert verdicts(interrupted) == verdicts(undisturbed)
    assert all(len(sets) == 1 for sets in verdicts(interrupted).values())
    assert len(verdicts(interrupted)) == len(entries)
    assert scores_of(interrupted) == scores_of(undisturbed)
    assert all(
        getattr(interrupted, n).isStreamClosed() for n, _ in interrupted.iterOutputAttributes()
    )


@pytest.mark.slow
def test_two_thousand_tomograms_need_linear_time_and_limited_memory(lab):
    """Uses the same few files many times, so that only their number matters."""
    paths = [write_mrc(lab.folder / f"{n}.mrc", n / 2, (1, 8, 8)) for n in range(10)]
    seconds, memory = {}, {}
    for count in (500, 2000):
        entries = [{"tsId": f"TS_{n}", "path": paths[n % 10]} for n in range(count)]
        source = lab.source(entries, chunk=count)
        begin = time.monotonic()
        scored = lab.score(source)
        seconds[count] = time.monotonic() - begin
        memory[count] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        assert scored.isFinished(), log_of(scored)
        assert len(ids(scored, "scoredTomograms")) == count
        assert len(ids(scored, "acceptedTomograms")) == count // 2
    print(f"seconds {seconds}, MB {memory}")
    assert seconds[2000] < 2 * 4 * seconds[500]  # at most twice the linear time
    assert memory[2000] < 2 * memory[500]

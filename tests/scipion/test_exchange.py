# SPDX-License-Identifier: GPL-3.0-or-later
"""Job files, records and lists of batches, without a project."""

import json
import shutil
import subprocess
from heapq import heappop, heappush
from itertools import accumulate
from random import Random

import pytest

from tomoscore_scipion.protocols import exchange
from tomoscore_scipion.protocols.batches import MAX_ITEMS, Batches, EngineDiedError
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.job import read_job
from tomoscore_scipion.records.record import Score


def entries(*names):
    return [{"ts_id": n, "path": f"/{n}.mrc", "voxel_size_angstrom": 10.0} for n in names]


def test_a_job_file_can_be_read_by_the_engine(tmp_path):
    folder = exchange.write_job(tmp_path / "batches", entries("it's 100%", "日本"), None)
    exchange.set_device(folder, "cuda:1")
    job = read_job(str(folder / "job.json"))
    assert job.device == "cuda:1" and job.weights is None
    assert [t.ts_id for t in job.tomograms] == ["it's 100%", "日本"]
    assert job.tomograms[0].voxel_size_angstrom == 10.0


def test_each_batch_has_a_folder_of_its_own(tmp_path):
    folders = [exchange.write_job(tmp_path, entries("a"), None).name for _ in range(3)]
    assert folders == ["0001", "0002", "0003"]


def test_records_are_returned_once_and_only_when_complete(tmp_path):
    folder = exchange.write_job(tmp_path, entries("a", "b"), None)
    records = exchange.Records(tmp_path)
    assert records.new() == []
    lines = [Score.failed(name, None, "why").to_json() for name in ("a", "b", "c")]
    results = folder / "results.jsonl"
    results.write_text(lines[0] + "\n" + lines[1][:10])
    assert [record.ts_id for record in records.new()] == ["a"]
    assert records.new() == []
    results.write_text("\n".join(lines) + "\n")
    assert [record.ts_id for record in records.new()] == ["b", "c"]


def test_results_rewritten_by_a_restarted_job_give_only_new_records(tmp_path):
    folder = exchange.write_job(tmp_path, entries("a", "b", "c"), None)
    records = exchange.Records(tmp_path)
    lines = [Score.failed(name, None, "why").to_json() + "\n" for name in ("a", "b", "c")]
    (folder / "results.jsonl").write_text("".join(lines[:2]))
    assert [record.ts_id for record in records.new()] == ["a", "b"]
    (folder / "new").write_text(lines[1] + lines[2])  # like the engine: a new file, renamed
    (folder / "new").replace(folder / "results.jsonl")
    assert [record.ts_id for record in records.new()] == ["b", "c"]


def test_complete_batches_are_not_read_again(tmp_path):
    done, lacking = (exchange.write_job(tmp_path, entries("a", "b"), None) for _ in range(2))
    lines = [Score.failed(name, None, "why").to_json() + "\n" for name in ("a", "b")]
    (done / "results.jsonl").write_text("".join(lines))
    (lacking / "results.jsonl").write_text(lines[0])
    records = exchange.Records(tmp_path)
    assert [record.ts_id for record in records.new()] == ["a", "b", "a"]
    shutil.rmtree(done)
    with open(lacking / "results.jsonl", "a") as file:
        file.write(lines[1])
    assert [record.ts_id for record in records.new()] == ["b"]


def test_a_record_of_another_version_is_refused(tmp_path):
    folder = exchange.write_job(tmp_path, entries("a"), None)
    record = {**Score.failed("a", None, "why").to_dict(), "schema": 9}
    (folder / "results.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(ValueError, match="expected schema 1"):
        exchange.Records(tmp_path).new()


@pytest.mark.parametrize("name", ["two words", "$(touch owned)", "it's", "100%s", "a;b"])
def test_the_command_runs_in_a_folder_of_any_name(tmp_path, name):
    folder = exchange.write_job(tmp_path / name, entries("a"), None)
    command = exchange.command("true && echo", folder, 2)
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    said = (folder / "engine.log").read_text().strip()
    job, results = folder / "job.json", folder / "results.jsonl"
    assert said == f"score --job {job} --output {results} --threads 2"
    assert not (tmp_path / "owned").exists()


def test_a_failed_activation_is_in_the_log(tmp_path):
    folder = exchange.write_job(tmp_path, entries("a"), None)
    command = exchange.command("no-such-program && tomoscore", folder, 2)
    assert subprocess.run(command, shell=True, check=False).returncode != 0
    said, could_not_start = exchange.said_last(folder)
    assert "no-such-program" in said and not could_not_start


def test_the_error_of_the_engine_is_found_in_the_log(tmp_path):
    folder = exchange.write_job(tmp_path, entries("a"), None)
    (folder / "engine.log").write_text("noise\ntomoscore: error: no weights\nmore noise\n")
    assert exchange.said_last(folder) == ("no weights", True)


def started(batches, name):
    tomograms = batches.next()
    batches.start(name, tomograms)
    return list(tomograms)


def test_tomograms_are_distributed_among_free_slots():
    batches = Batches(slots=2)
    for key in "abcde":
        batches.add(key, key.upper())
        batches.add(key, "again")
    assert started(batches, 1) == ["a", "c", "e"]
    assert started(batches, 2) == ["b", "d"]
    assert batches.next() == {}
    assert [batches.complete(key) for key in "aea"] == ["A", "E", None]
    assert batches.complete("b") == "B" and batches.complete("c") == "C"
    assert batches.end(1, "", False) == {}
    assert batches.busy and not batches.is_new("a")


def test_a_batch_has_at_most_the_maximum_number_of_items():
    batches = Batches(slots=1)
    for key in range(MAX_ITEMS + 5):
        batches.add(key, key)
    assert len(started(batches, 1)) == MAX_ITEMS


def makespan(sizes, slots, start_s=0.0):
    """Simulated seconds until all tomograms are done, and the number of batches.

    A tomogram takes as many seconds as its size, and the start of a batch takes `start_s`.
    Results arrive one by one, and a free slot gets the next batch.
    """
    batches = Batches(slots)
    for number, size in enumerate(sizes):
        batches.add(number, number, size)
    coming, now, count = [], 0.0, 0
    while batches.busy:
        tomograms = batches.next()
        while tomograms:
            count += 1
            batches.start(count, tomograms)
            times = accumulate([now + start_s, *(sizes[key] for key in tomograms)])
            for time, key in zip(list(times)[1:], tomograms):
                heappush(coming, (time, 0, key))
            heappush(coming, (time, 1, count))
            tomograms = batches.next()
        now, kind, what = heappop(coming)
        if kind:
            batches.end(what, "", False)
        else:
            batches.complete(what)
    return now, count


def list_schedule(sizes, slots):
    """Simulated seconds if each tomogram, largest first, goes to the first free slot."""
    free = [0.0] * slots
    for size in sorted(sizes, reverse=True):
        heappush(free, heappop(free) + size)
    return max(free)


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
@pytest.mark.parametrize("count", [8, 60, 440, 1000])
def test_batches_of_any_sizes_end_at_about_the_same_time(slots, count):
    sizes = [Random(count).choice([1, 2, 4, 16]) for _ in range(count)]
    seconds, batches = makespan(sizes, slots)
    assert seconds <= 1.15 * list_schedule(sizes, slots)
    # Each batch starts an engine, so that there should not be many more batches than needed.
    assert batches <= max(slots, 2 * (count // MAX_ITEMS) + 3 * slots)


def test_a_free_slot_leaves_tomograms_that_a_busy_slot_can_score_sooner():
    batches = Batches(slots=2)
    for key, size in dict(large=9, small=1).items():
        batches.add(key, key, size)
    assert (started(batches, 1), started(batches, 2)) == (["large"], ["small"])
    batches.complete("small")
    batches.end(2, "", False)
    for key in "abcdefghijkl":
        batches.add(key, key)
    assert len(started(batches, 3)) == 11  # of 12: the large one takes as long as 9


def test_a_small_tomogram_is_not_postponed_by_larger_ones():
    batches = Batches(slots=1)
    batches.add("small", "small", cost=1)
    for number in range(3 * MAX_ITEMS):
        batches.add(number, number, cost=9)
    assert "small" in started(batches, 1)


def test_a_tomogram_that_kills_two_engines_fails_and_the_others_are_scored():
    batches = Batches(slots=1)
    for key in "abcd":
        batches.add(key, key, cost=2 if key == "b" else 1)
    assert started(batches, 1) == ["a", "b", "c", "d"]
    assert batches.complete("a") == "a"
    assert batches.end(1, "killed", False) == {}
    assert started(batches, 2) == ["c", "d", "b"]
    assert batches.complete("c") and batches.complete("d")
    assert batches.end(2, "killed", False) == {"b": "b"}
    assert not batches.busy


def test_a_job_killed_from_outside_is_not_counted_as_a_failure():
    batches = Batches(slots=1)
    for key in "abc":
        batches.add(key, key)
    started(batches, 1)
    batches.complete("a")
    assert batches.end(1, "CANCELLED", False) == {}
    assert started(batches, 2) == ["c", "b"]
    assert batches.complete("c") == "c"
    assert batches.complete("b") == "b"  # it did not cause the first end
    assert batches.end(2, "", False) == {} and not batches.busy


def test_an_engine_that_ends_twice_without_a_result_is_an_error():
    batches = Batches(slots=1)
    for key in "abc":
        batches.add(key, key)
    started(batches, 1)
    assert batches.end(1, "killed", False) == {}
    assert started(batches, 2) == ["b", "c", "a"]
    with pytest.raises(EngineDiedError, match="twice without a result: sh: conda: not found"):
        batches.end(2, "sh: conda: not found", False)


def test_a_tomogram_that_kills_engines_at_the_start_of_a_batch_fails_alone():
    batches = Batches(slots=1)
    for key in ("huge", "b"):
        batches.add(key, key)
    started(batches, 1)
    assert batches.end(1, "killed", False) == {}
    started(batches, 2)
    batches.complete("b")
    assert batches.end(2, "killed", False) == {"huge": "huge"}
    assert not batches.busy


def test_an_engine_that_cannot_start_is_an_error_at_once():
    batches = Batches(slots=1)
    batches.add("a", "a")
    started(batches, 1)
    with pytest.raises(EngineDiedError, match="could not start: no weights"):
        batches.end(1, "no weights", True)


@pytest.mark.parametrize(
    ("error", "path", "message"),
    [
        ("/a/b.mrc: not an MRC file", "/a/b.mrc", "not an MRC file (file /a/b.mrc)"),
        ("out of memory", "/a/b.mrc", "out of memory"),
        ("it has no file", None, "it has no file"),
    ],
)
def test_the_message_of_a_failure_begins_with_its_cause(error, path, message):
    assert cause_first(error, path) == message

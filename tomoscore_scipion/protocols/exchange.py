# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that protocols and engine exchange: a folder per batch with a job file and its records.

    <root>/0001/job.json        the items to work on
    <root>/0001/results.jsonl   a record per item, written when the item is finished
    <root>/0001/engine.log      output of the engine
    <root>/failed.jsonl         records of tomograms for which no engine wrote one

Each batch writes only to its own folder, so that an engine that outlived its protocol does no harm.
Paths of the user are in the job file only, never in a command. This module does not depend on
Scipion.
"""

import json
import os
import shlex
from pathlib import Path

from tomoscore_scipion.records.atomic_write import write_atomically
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import chosen_slices, thumbnail_name

JOB, RESULTS, LOG = "job.json", "results.jsonl", "engine.log"
FAILED = "failed.jsonl"
START_ERROR = "tomoscore: error:"
"""Start of the engine's message with the reason why it could not start."""


def write_job(root, tomograms, weights, device="auto", **options):
    """Create the folder of the next batch with a job file for scoring.

    Args:
        root: the folder of all batches; created if it is missing.
        tomograms: list of {"ts_id", "path", "voxel_size_angstrom"}.
        weights: path of the weights; None for the weights of the engine.
        device: "auto", "cpu" or "cuda:N".
        options: other keys of the job: thumbnail_dir, map_dir, calibration; None for none.

    Returns:
        Path of the batch's folder.
    """
    folder = new_folder(root)
    job = {"schema": 1, "weights": weights, "device": device, "tomograms": tomograms}
    put_job(folder, {**job, **options})
    return folder


def new_folder(root):
    """Create the folder of the next batch, without a job; returns its Path."""
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{1 + max(map(int, _numbers(root)), default=0):04d}"
    folder.mkdir()
    return folder


def put_job(folder, job):
    """Write the job file of a batch."""
    _write(Path(folder) / JOB, job)


def set_device(folder, device):
    """Set the device ("cpu", "cuda:N") in the job file of a batch."""
    path = Path(folder) / JOB
    job = json.loads(path.read_text(encoding="utf-8"))
    _write(path, {**job, "device": device})


def _write(path, job):
    write_atomically(path, json.dumps(job, indent=1).encode("utf-8"))


def _numbers(root):
    return sorted((name for name in os.listdir(root) if name.isdigit()), key=int)


def command(program, folder, threads, work="score"):
    """The shell command that runs the engine on a batch; its output goes to the batch's log.

    Args:
        program: the engine's program for a shell, including its activation.
        folder: the folder of the batch.
        threads: number of CPU threads.
        work: command of the engine.
    """
    files = {name: shlex.quote(str(Path(folder) / name)) for name in (JOB, RESULTS, LOG)}
    command_line = f"{work} --job {files[JOB]} --output {files[RESULTS]} --threads {int(threads)}"
    return f"( {program} {command_line} ) > {files[LOG]} 2>&1"


def note_failure(root, key, path, reason):
    """Write a failed record of a tomogram without a record, so that reports show it.

    Args:
        root: the folder of all batches; created if it is missing.
        key: the tomogram's id.
        path: path of the file; None without a file.
        reason: reason of the failure.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    with open(Path(root) / FAILED, "a", encoding="utf-8") as file:
        file.write(Score.failed(key, path, reason).to_json() + "\n")


def thumbnail_of(folder, record):
    """Path of the picture of a tomogram's central slice; None without a picture."""
    z = chosen_slices(record).get("central")
    path = None if z is None else os.path.join(folder, thumbnail_name(record.ts_id, z))
    return path if path is not None and os.path.exists(path) else None


def said_last(folder):
    """The last message in the engine's log of a batch, in one line; its error if it has one.

    Returns:
        (message, whether the engine could not start).
    """
    return last_words(Path(folder) / LOG)


def last_words(path):
    """As `said_last`, for any log file of the engine."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(START_ERROR):
            return line[len(START_ERROR) :].strip(), True
    return " / ".join(lines[-3:]) or "nothing (was it killed, or its job cancelled?)", False


def latest_lines(root):
    """The latest record of each id in all batches, {id: line of JSON}, in the order of writing.

    Incomplete and invalid lines are ignored, because a run may be writing. Lines are not parsed to
    records, which would be slow for thousands of records.
    """
    latest = {}
    root = Path(root)
    paths = [root / number / RESULTS for number in _numbers(root)] if root.is_dir() else []
    for path in (*paths, root / FAILED):
        for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else ():
            try:
                latest[json.loads(line)["ts_id"]] = line.decode("utf-8")
            except (ValueError, TypeError, KeyError):
                continue
    return latest


class Records:
    """The records of all batches below a folder, each returned once.

    Only incomplete batches are read, including those of earlier runs, because their engines may
    have outlived the protocol. The time of a read does not grow with the number of batches.
    """

    def __init__(self, root, read=Score.from_json):
        """Watch all batches that exist.

        Args:
            root: the folder of all batches.
            read: function that parses a line; raises ValueError if the line is not a record.
        """
        self._root = Path(root)
        self._record = read
        self._lacking = {}  # {folder: ids without a record}
        self._read = {}  # {folder: (inode of the results file, number of bytes that were read)}
        for number in _numbers(self._root) if self._root.is_dir() else ():
            self.watch(self._root / number)

    def watch(self, folder):
        """Read the records of a batch from now on."""
        folder = Path(folder)
        try:
            job = json.loads((folder / JOB).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # stopped before the job was written: no engine runs on it
        lists = [entries for entries in job.values() if isinstance(entries, list)]
        self._lacking[folder] = {entry["ts_id"] for entries in lists for entry in entries}

    def new(self):
        """The records that were written since the last call, oldest batch first.

        A last line without a newline is still being written; it is returned when complete.

        Raises:
            ValueError: a line is not a record of this version.
        """
        new = []
        for folder, lacking in list(self._lacking.items()):
            records = [self._record(line) for line in self._new_lines(folder)]
            lacking.difference_update(record.ts_id for record in records)
            new += records
            if not lacking:
                del self._lacking[folder]
                self._read.pop(folder, None)
        return new

    def _new_lines(self, folder):
        if not (folder / RESULTS).exists():
            return []
        with open(folder / RESULTS, "rb") as file:
            inode, start = os.fstat(file.fileno()).st_ino, 0
            if folder in self._read and self._read[folder][0] == inode:
                start = self._read[folder][1]
            file.seek(start)  # a job restarted by a queue creates a new file
            complete, end, _ = file.read().rpartition(b"\n")
        self._read[folder] = inode, start + len(complete) + len(end)
        return [line.decode("utf-8") for line in complete.split(b"\n") if line]

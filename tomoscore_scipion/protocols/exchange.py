# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to the engine and comes back: a folder per batch with a job file and its records.

    <root>/0001/job.json        what to score
    <root>/0001/results.jsonl   a record per tomogram, as soon as it is done
    <root>/0001/engine.log      what the engine printed
    <root>/failed.jsonl         records of tomograms for which no engine wrote one

A batch never writes into the folder of another, so that an engine which outlived its protocol
disturbs nobody.  Paths of the user stand in the job file only, never in a command.  Knows nothing
of Scipion.
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
"""The engine begins so the line that says why it could not start."""


def write_job(root, tomograms, weights, device="auto", thumbnail_dir=None, map_dir=None):
    """Make the folder of the next batch and its job file.

    Args:
        root: the folder of all batches; made when it is not there.
        tomograms: list of {"ts_id", "path", "voxel_size_angstrom"}.
        weights: path of the weights, None for those that the engine ships.
        device: "auto", "cpu" or "cuda:N".
        thumbnail_dir: folder for pictures of slices, None for none.
        map_dir: folder for quality maps, None for none.

    Returns:
        The batch's folder, a Path.
    """
    folder = new_folder(root)
    job = {"schema": 1, "weights": weights, "device": device, "tomograms": tomograms}
    put_job(folder, {**job, "thumbnail_dir": thumbnail_dir, "map_dir": map_dir})
    return folder


def new_folder(root):
    """The folder of the next batch, a Path, without a job yet."""
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{1 + max(map(int, _numbers(root)), default=0):04d}"
    folder.mkdir()
    return folder


def put_job(folder, job):
    """Write the job file of a batch."""
    _write(Path(folder) / JOB, job)


def set_device(folder, device):
    """Say in a batch's job file where it is to be scored."""
    path = Path(folder) / JOB
    job = json.loads(path.read_text(encoding="utf-8"))
    _write(path, {**job, "device": device})


def _write(path, job):
    write_atomically(path, json.dumps(job, indent=1).encode("utf-8"))


def _numbers(root):
    return sorted((name for name in os.listdir(root) if name.isdigit()), key=int)


def command(program, folder, threads, work="score"):
    """The shell command that works on a batch; all that it prints goes to the batch's log."""
    files = {name: shlex.quote(str(Path(folder) / name)) for name in (JOB, RESULTS, LOG)}
    command_line = f"{work} --job {files[JOB]} --output {files[RESULTS]} --threads {int(threads)}"
    return f"( {program} {command_line} ) > {files[LOG]} 2>&1"


def note_failure(root, key, path, reason):
    """Write the record of a tomogram for which no engine wrote one, so that reports tell of it.

    Args:
        root: the folder of all batches; made when it is not there.
        key: the tomogram's id.
        path: its file; None where it has none.
        reason: why it failed.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    with open(Path(root) / FAILED, "a", encoding="utf-8") as file:
        file.write(Score.failed(key, path, reason).to_json() + "\n")


def thumbnail_of(folder, record):
    """Path of the picture of a tomogram's central slice; None where there is none."""
    z = chosen_slices(record).get("central")
    path = None if z is None else os.path.join(folder, thumbnail_name(record.ts_id, z))
    return path if path is not None and os.path.exists(path) else None


def said_last(folder):
    """What the engine said in the end, in one line: its error where it named one.

    Returns:
        (text, whether the engine could not start).
    """
    return last_words(Path(folder) / LOG)


def last_words(path):
    """The same of any log of the engine."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(START_ERROR):
            return line[len(START_ERROR) :].strip(), True
    return " / ".join(lines[-3:]) or "nothing (was it killed, or its job cancelled?)", False


def latest_lines(root):
    """The records of all batches as they are now, {id: line of JSON}, in the order of the session.

    Lines that are written this moment, and lines that are none, are left out: who looks while a
    run goes on takes what is there. They are not made into records, which takes its time.
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
    """The records of all batches below a folder, each given out once.

    Of the batches that were there before only those are looked at again which lack records: their
    engines may have outlived the protocol.  So a look takes as long after a thousand batches.

    Args:
        root: the folder of all batches.
        read: makes a record of a line; ValueError where the line is none.
    """

    def __init__(self, root, read=Score.from_json):
        self._root = Path(root)
        self._record = read
        self._lacking = {}  # folder: {ids whose records have not come}
        self._read = {}  # folder: (results file, its bytes that were given out)
        for number in _numbers(self._root) if self._root.is_dir() else ():
            self.watch(self._root / number)

    def watch(self, folder):
        """Look for records of a batch from now on."""
        folder = Path(folder)
        try:
            job = json.loads((folder / JOB).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # stopped before it was written: no engine was told to score it
        lists = [entries for entries in job.values() if isinstance(entries, list)]
        self._lacking[folder] = {entry["ts_id"] for entries in lists for entry in entries}

    def new(self):
        """The records that were written since the last call, oldest batch first.

        A last line without its end is still being written, and comes when it is whole.

        Raises:
            ValueError: a line is not a record of this version.
        """
        found = []
        for folder, lacking in list(self._lacking.items()):
            records = [self._record(line) for line in self._new_lines(folder)]
            lacking.difference_update(record.ts_id for record in records)
            found += records
            if not lacking:
                del self._lacking[folder]
                self._read.pop(folder, None)
        return found

    def _new_lines(self, folder):
        if not (folder / RESULTS).exists():
            return []
        with open(folder / RESULTS, "rb") as file:
            which, done = os.fstat(file.fileno()).st_ino, 0
            if folder in self._read and self._read[folder][0] == which:
                done = self._read[folder][1]
            file.seek(done)  # a job that a queue starts again makes its file anew
            whole, end, _ = file.read().rpartition(b"\n")
        self._read[folder] = which, done + len(whole) + len(end)
        return [line.decode("utf-8") for line in whole.split(b"\n") if line]

# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a session in a folder, from which it is resumed after a stop.

results.jsonl has one record per tomogram, as `tomoscore score --output` writes them. files.jsonl
has the state in which each file was scored: a file that has changed since is scored again.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import ExitStack
from itertools import chain, count
from typing import Iterable, NamedTuple

from tomoscore_scipion.pipelines.aretomo_metrics import COLUMNS, MetricsFiles
from tomoscore_scipion.pipelines.warp_folder import warp_file
from tomoscore_scipion.records.csv_lines import CSV_COLUMNS, csv_cells, csv_row
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.line_file import LineFile, append_after, open_lines
from tomoscore_scipion.records.record import OK, Score, default_ts_id
from tomoscore_scipion.records.record_files import json_line, parse_lines, read_records
from tomoscore_scipion.records.resume import is_current
from tomoscore_scipion.session.files import State

RESULTS, FILES, CSV, REPORT = "results.jsonl", "files.jsonl", "scores.csv", "report.html"
LOCK = ".lock"


class Scored(NamedTuple):
    """A file that was scored: its absolute path, the id of its record, and its state then."""

    path: str
    ts_id: str
    state: State


class Results:
    """The records of a session. A context manager that locks the folder for one watch.

    Attributes:
        records: {id: record}, in the order of scoring.
        metrics: AreTomo3's metrics of the tilt series.
    """

    def __init__(self, folder: str, made_by: str, voxel_size_angstrom: float | None = None) -> None:
        """Read the results of earlier runs.

        Args:
            folder: an existing folder.
            made_by: hashes of weights and calibration in use, see `Score.made_by`.
            voxel_size_angstrom: voxel size that replaces that of the headers; None to use them.

        Raises:
            StartError: another watch writes there, the records are of another model, or something
                cannot be read or written.
        """
        self.metrics = MetricsFiles()
        self._folder = folder
        self._files: dict[str, LineFile] = {}
        self._stack = ExitStack()
        self._check_ours()
        try:
            self._lock()
            self._stack.callback(self._close_files)  # before the lock is released
            self.records = self._earlier_records(made_by)
            self._scored = self._earlier_files(made_by, voxel_size_angstrom)
            named = [(record.path, ts_id) for ts_id, record in self.records.items()]
            self._ids = {os.path.abspath(path): ts_id for path, ts_id in named if path}
            self._begin(RESULTS, map(json_line, self.records.values()))
            self._begin(FILES, map(_scored_line, self._scored.values()))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def scored_state(self, path: str) -> State | None:
        """The state in which a file was scored; None if it was not, or failed in an earlier run."""
        scored = self._scored.get(os.path.abspath(path))
        return scored.state if scored is not None else None

    def id_for(self, path: str) -> str:
        """The id of a file: that of its earlier record, or its name, made unique.

        For a tomogram of WarpTools the name is that of the tilt series, as in `tomoscore score`; if
        it is taken, "-" and the folder of its kind follow, or else the pixel size.
        """
        key = os.path.abspath(path)
        if key in self._ids:
            return self._ids[key]
        name = default_ts_id(path)
        in_folder = f"{name}-{default_ts_id(os.path.dirname(key))}"
        numbered = (f"{in_folder}-{number}" for number in count(2))
        candidates = chain(_names_by_warp(path), (name, in_folder), numbered)
        return next(ts_id for ts_id in candidates if ts_id not in self.records)

    def add(self, record: Score, path: str, state: State) -> None:
        """Add a record; it replaces a record of the same id.

        Args:
            record: record of a tomogram.
            path: file of the tomogram.
            state: state in which the file was scored.

        Raises:
            StartError: it cannot be written.
        """
        is_new = record.ts_id not in self.records
        self.records[record.ts_id] = record
        if is_new:
            self._files[RESULTS].write(json_line(record))
        else:
            self._begin(RESULTS, map(json_line, self.records.values()))
        scored = Scored(os.path.abspath(path), record.ts_id, state)
        self._scored[scored.path] = scored
        self._ids[scored.path] = record.ts_id
        self._files[FILES].write(_scored_line(scored))

    def write_csv(self) -> None:
        """Write the CSV file of all records, with AreTomo3's metrics.

        Raises:
            StartError: it cannot be written.
        """
        with open_lines(os.path.join(self._folder, CSV)) as file:
            file.write(csv_row((*CSV_COLUMNS, *COLUMNS)), is_row=False)
            for record in self.records.values():
                metrics = self.metrics.of(record.path) if record.path else None
                cells = metrics.cells if metrics else (None,) * len(COLUMNS)
                file.write(csv_row((*csv_cells(record), *cells)))

    def _check_ours(self) -> None:
        """Refuse a folder whose files of these names were not written by a watch."""
        names = [name for name in (RESULTS, CSV, REPORT) if self._exists(name)]
        if names and RESULTS not in names:
            raise StartError(
                f"{os.path.join(self._folder, names[0])} would be replaced, and is not of a watch: "
                "name another folder (--output)"
            )

    def _exists(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self._folder, name))

    def _lock(self) -> None:
        path = os.path.join(self._folder, LOCK)
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"{self._folder}: another `tomoscore watch` writes there: name another folder, or "
                "end that one"
            ) from error
        except OSError as error:
            raise StartError(
                f"cannot lock {path}: {error.strerror}: name a folder that can be written, or one "
                "on another disk"
            ) from error

    def _earlier_records(self, made_by: str) -> dict[str, Score]:
        path = os.path.join(self._folder, RESULTS)
        records = {r.ts_id: r for r in read_records(path)} if os.path.exists(path) else {}
        others = [r for r in records.values() if r.status == OK and r.made_by != made_by]
        if others:
            raise StartError(
                f"{path}: expected records of the model and calibration that score, found "
                f"{len(others)} of others: name another folder, or the same weights and calibration"
            )
        return records

    def _earlier_files(self, made_by: str, size: float | None) -> dict[str, Scored]:
        """The files whose records are current; failed ones are scored again."""
        path = os.path.join(self._folder, FILES)
        if not os.path.exists(path):
            return {}
        lines = parse_lines(path, _scored_of, "a file of a session")
        ids = {
            ts_id
            for ts_id, record in self.records.items()
            if is_current(record, Tomogram(ts_id, record.path or "", size), made_by)
        }
        return {scored.path: scored for scored in lines if scored.ts_id in ids}

    def _begin(self, name: str, lines: Iterable[str]) -> None:
        """Replace a file by one with these lines, and open it to append."""
        earlier = self._files.pop(name, None)
        if earlier is not None:
            earlier.__exit__(None, None, None)
        self._files[name] = append_after(os.path.join(self._folder, name), lines)

    def _close_files(self) -> None:
        for file in self._files.values():
            file.__exit__(None, None, None)


def _names_by_warp(path: str) -> tuple[str, ...]:
    """Ids for a tomogram of WarpTools, the preferred one first; empty for another file."""
    file = warp_file(path)
    if file is None or not file.series.isprintable():
        return ()
    return (file.series, f"{file.series}-{file.folder}") if file.folder else (file.series,)


def _scored_line(scored: Scored) -> str:
    size, mtime_ns = scored.state
    line = {"path": scored.path, "ts_id": scored.ts_id, "size": size, "mtime_ns": mtime_ns}
    return json.dumps(line) + "\n"


def _scored_of(line: str) -> Scored:
    content = json.loads(line)
    try:
        state = State(int(content["size"]), int(content["mtime_ns"]))
        return Scored(str(content["path"]), str(content["ts_id"]), state)
    except (KeyError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from error

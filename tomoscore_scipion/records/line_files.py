# SPDX-License-Identifier: GPL-3.0-or-later
"""Where records go: JSON Lines and CSV, written line by line, never half a line.

A regular file is written aside, in its own folder, and takes its name at the end: readers see the
old file or the new one.  The results of a job are appended to the file itself, so that they
survive a kill and the job can go on where it was.  Pipes and devices are written directly.
"""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import stat
from types import TracebackType
from typing import Callable, Iterable, Sequence, TypeVar

from tomoscore_scipion.records.bands import PERIODS_NM
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import OK, Score

Record = TypeVar("Record")

STANDARD_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that starts so for a formula."""


class LineFile:
    """A file that is written line by line; each line has left the process when `write` returns.

    Used in a `with` statement.  At its end a file that was written aside takes its name; when an
    exception ends it, only if rows were written: what is finished is kept, and an earlier file is
    not replaced by nothing.
    """

    def __init__(self, name: str, fd: int, aside: str | None = None) -> None:
        """Take over an open file.

        Args:
            name: the file's name, for messages and as the final name.
            fd: the open file, which is closed here.
            aside: where the file is until it takes its name; None when it is written directly.
        """
        self._name = name
        self._fd = fd
        self._aside = aside
        self._is_ours = stat.S_ISREG(os.fstat(fd).st_mode) and standard_stream(name) is None
        self._has_rows = False

    def __enter__(self) -> LineFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._is_ours:
                os.fsync(self._fd)
            if self._aside and (kind is None or self._has_rows):
                os.replace(self._aside, self._name)
                self._aside = None
        except OSError as fault:
            raise StartError(f"cannot write {self._name}: {fault.strerror}") from fault
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file; one that is still aside is removed."""
        os.close(self._fd)
        if self._aside:
            os.unlink(self._aside)

    def write(self, text: str, is_row: bool = True) -> None:
        """Write whole lines.

        Args:
            text: the lines, each with its end.
            is_row: False for a heading, which alone is not worth keeping.

        Raises:
            StartError: the disk is full, the pipe's reader is gone, or the like.
        """
        start = os.lseek(self._fd, 0, os.SEEK_END) if self._is_ours else 0
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if self._is_ours:
                os.ftruncate(self._fd, start)
            raise StartError(f"cannot write {self._name}: {error.strerror}") from error
        self._has_rows = self._has_rows or is_row


def standard_stream(path: str) -> int | None:
    """The file descriptor that a path such as /dev/stdout stands for; None for any other path."""
    match = re.fullmatch(r"(?:/dev/fd|/proc/self/fd)/(\d{1,9})", path)
    return int(match.group(1)) if match else STANDARD_STREAMS.get(path)


def is_direct(path: str) -> bool:
    """Whether a path is a pipe or a device, that is neither a regular file nor still to be made."""
    if standard_stream(path) is not None:
        return True
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def open_lines(path: str) -> LineFile:
    """Open a file for lines that replaces the one of its name, or a pipe or device directly.

    Raises:
        StartError: it cannot be written; nothing was changed then.
    """
    try:
        if is_direct(path):
            return LineFile(path, _open_direct(path))
        target = os.path.realpath(path)
        _check_replaceable(path, target)
        aside = os.path.join(os.path.dirname(target), f".tomoscore-{secrets.token_hex(6)}.partial")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise _not_writable(path, error) from error
    file = LineFile(target, fd, aside)
    try:
        if os.path.exists(target):
            os.fchmod(fd, stat.S_IMODE(os.stat(target).st_mode))
    except OSError as error:
        file.discard()
        raise _not_writable(path, error) from error
    return file


def _open_direct(path: str) -> int:
    """A pipe or device, open for writing.  It may wait for the pipe's reader, as a shell would."""
    stream = standard_stream(path)
    # The stream itself: opening its path again would start at the head of a redirected file.
    return os.dup(stream) if stream is not None else os.open(path, os.O_WRONLY)


def check_replaceable(path: str) -> None:
    """See early that a file which is written at the end can be written.

    Raises:
        StartError: its folder does not exist, or it is a folder or protected itself.
    """
    if not is_direct(path):
        _check_replaceable(path, os.path.realpath(path))


def check_results(results: Iterable[str | None], inputs: Iterable[str]) -> None:
    """See early that results can be written, and replace no input and no other result.

    Args:
        results: paths; None for one that is not asked for.
        inputs: paths of what the results are made from.

    Raises:
        StartError: one of them cannot be written, or would replace another file.
    """
    taken = {os.path.realpath(path) for path in inputs}
    for path in results:
        if not path or is_direct(path):
            continue
        target = os.path.realpath(path)
        if target in taken:
            raise StartError(f"{path} would be replaced, and is needed: name another output")
        _check_replaceable(path, target)
        taken.add(target)


def _check_replaceable(path: str, target: str) -> None:
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise StartError(f"cannot write {path}: expected a file, found a folder: name a file in it")
    if not os.path.isdir(folder):
        raise StartError(f"cannot write {path}: the folder {folder} does not exist: make it first")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise StartError(
            f"cannot write {path}: it is write-protected: name another file, or allow writing"
        )


def _not_writable(path: str, error: OSError) -> StartError:
    return StartError(f"cannot write {path}: {error.strerror}: name a file that can be written")


def resume_lines(
    path: str, tomograms: Sequence[Tomogram], model_sha256: str
) -> tuple[LineFile, list[Score]]:
    """Open a job's results to append to, with the records in it that need not be done again.

    Kept are the "ok" records of the job's tomograms (ts_id and path) that the same model scored,
    with the voxel size that the job gives, if it gives one, the same z range and the same halves.
    Others, failed ones too, are taken out and done again, as is a last line that a kill cut short.
    A pipe or device has none.

    Raises:
        StartError: the file cannot be written, or holds something else than records.
    """
    if is_direct(path):
        return open_lines(path), []
    kept: dict[str, Score] = {}
    wanted = {tomogram.ts_id: tomogram for tomogram in tomograms}
    for record in read_records(path) if os.path.exists(path) else []:
        tomogram = wanted.get(record.ts_id)
        if tomogram is not None and _still_holds(record, tomogram, model_sha256):
            kept.setdefault(record.ts_id, record)
    return begin_with(path, map(json_line, kept.values())), list(kept.values())


def begin_with(path: str, lines: Iterable[str]) -> LineFile:
    """Let a file hold these lines, whole or not at all, and open it to append to.

    Raises:
        StartError: it cannot be written.
    """
    with open_lines(path) as file:
        for line in lines:
            file.write(line)
    try:
        return LineFile(path, os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        raise _not_writable(path, error) from error


def read_records(path: str) -> list[Score]:
    """The records of a JSON Lines file; a last line without an end was cut short and is left out.

    Raises:
        StartError: it cannot be read, or a line is not a record.
    """
    return parse_lines(path, Score.from_json, "a TomoScore record")


def parse_lines(path: str, parse: Callable[[str], Record], expected: str) -> list[Record]:
    """The lines of a JSON Lines file, parsed; one without an end was cut short and is left out.

    Args:
        path: the file.
        parse: makes a record of a line; raises ValueError where it is none.
        expected: what a line must be, in words.

    Raises:
        StartError: it cannot be read, or a line is not what is expected.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(parse(line.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise StartError(
                f"{path}, line {number}: expected {expected} ({error}): "
                "name another file, or remove this one"
            ) from error
    return records


def _still_holds(record: Score, tomogram: Tomogram, model_sha256: str) -> bool:
    """Whether a record is what scoring the tomogram with this model would give again."""
    if record.status != OK or record.path != tomogram.path or record.model is None:
        return False
    given, used = tomogram.voxel_size_angstrom, record.voxel_size_angstrom
    same_size = given is None or (used is not None and abs(used - given) <= 1e-3 * given)
    noted = record.halves and (record.halves["half1"], record.halves["half2"])
    same_files = record.z_range == tomogram.z_range and noted == tomogram.halves
    return same_size and same_files and record.model["sha256"] == model_sha256


def json_line(record: Score) -> str:
    """A record as a line of JSON, with its end."""
    return record.to_json() + "\n"


CSV_COLUMNS = (
    ("ts_id", "path", "status", "tomoscore", "tomoscore_low", "tomoscore_high", "scale_nm")
    + tuple(f"r_{coarse:g}_{fine:g}_nm" for coarse, fine in PERIODS_NM)
    + ("halves_tomoscore", "halves_low", "halves_high", "halves_octaves", "halves_kind")
    + ("content", "slab_first", "slab_last", "voxel_size_angstrom", "warnings", "error")
)


def csv_heading() -> str:
    """The first line of the CSV file: the names of its columns."""
    return csv_row(CSV_COLUMNS)


def csv_line(record: Score) -> str:
    """A record as a line of the CSV file."""
    return csv_row(csv_cells(record))


def csv_cells(record: Score) -> tuple:
    """A record as cells of the CSV file, those of `CSV_COLUMNS`; None where there is no number.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    low, high = record.tomoscore_interval or (None, None)
    first, last = record.slab_z or (None, None)
    curve = record.curve["resolvability"] if record.curve else (None,) * len(PERIODS_NM)
    names = (harmless(record.ts_id), harmless(record.path or ""), record.status)
    voxel = record.voxel_size_angstrom
    scores = (record.tomoscore, low, high, record.scale_nm, *curve, *_halves_cells(record))
    place = (record.content, first, last, voxel)
    remarks = (harmless("; ".join(record.warnings)), harmless(record.error or ""))
    return names + scores + place + remarks


def _halves_cells(record: Score) -> tuple:
    """What the halves say: score, interval, number of octaves that it counts, kind."""
    halves = record.halves
    if halves is None or halves["tomoscore"] is None:
        return (None,) * 5
    return (halves["tomoscore"], *halves["interval"], len(halves["octaves"]), halves["kind"])


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes in front where one would."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def csv_row(cells: Sequence) -> str:
    """Cells as a line of a CSV file, with its end."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()

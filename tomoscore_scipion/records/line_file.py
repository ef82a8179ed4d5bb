# SPDX-License-Identifier: GPL-3.0-or-later
"""Output files that are written in whole lines.

A regular file is written under a temporary name in the same folder and renamed at the end, so that
readers see either the old or the new file. The results of a job are appended to the file itself, so
that they survive a kill and the job can be resumed. Pipes and devices are written directly.
"""

from __future__ import annotations

import os
import stat
from typing import Iterable

from tomoscore_scipion.records.atomic_write import temporary_path
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.output_paths import check_writable, is_stream, standard_stream


class LineFile:
    """A file that is written line by line, without buffering in the process.

    A context manager. At its end a temporary file is renamed to its final name. After an exception
    it is renamed only if it has rows, so that finished rows are kept and an earlier file is not
    replaced by an empty one.
    """

    def __init__(self, name: str, fd: int, temporary: str | None = None) -> None:
        """Take over an open file.

        Args:
            name: the file's name, for messages and as the final name.
            fd: the open file, which is closed here.
            temporary: path of the file until it is renamed; None if it is written directly.
        """
        self._name = name
        self._fd = fd
        self._temporary = temporary
        self._is_regular = stat.S_ISREG(os.fstat(fd).st_mode) and standard_stream(name) is None
        self._has_rows = False

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if self._is_regular:
                os.fsync(self._fd)
            if self._temporary and (kind is None or self._has_rows):
                os.replace(self._temporary, self._name)
                self._temporary = None
        except OSError as fault:
            raise StartError(f"cannot write {self._name}: {fault.strerror}") from fault
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file, and remove it if it still has its temporary name."""
        os.close(self._fd)
        if self._temporary:
            os.unlink(self._temporary)

    def write(self, text: str, is_row: bool = True) -> None:
        """Write whole lines.

        Args:
            text: the lines, each with a newline.
            is_row: False for a heading; a file with only a heading is not kept after an exception.

        Raises:
            StartError: the lines cannot be written, for example because the disk is full.
        """
        start = os.lseek(self._fd, 0, os.SEEK_END) if self._is_regular else 0
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if self._is_regular:
                os.ftruncate(self._fd, start)
            raise StartError(f"cannot write {self._name}: {error.strerror}") from error
        self._has_rows = self._has_rows or is_row


def open_lines(path: str) -> LineFile:
    """Open a new file that replaces an existing one at the end, or open a pipe or device.

    Raises:
        StartError: the file cannot be written; an existing file is unchanged.
    """
    try:
        if is_stream(path):
            return LineFile(path, _open_direct(path))
        target = os.path.realpath(path)
        check_writable(path)
        temporary = temporary_path(target)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
        raise _not_writable(path, error) from error
    file = LineFile(target, fd, temporary)
    try:
        if os.path.exists(target):
            os.fchmod(fd, stat.S_IMODE(os.stat(target).st_mode))
    except OSError as error:
        file.discard()
        raise _not_writable(path, error) from error
    return file


def _open_direct(path: str) -> int:
    """Open a pipe or device for writing; may wait for the reader of a pipe."""
    stream = standard_stream(path)
    # Use the stream itself, since opening its path again would overwrite a redirected file.
    return os.dup(stream) if stream is not None else os.open(path, os.O_WRONLY)


def _not_writable(path: str, error: OSError) -> StartError:
    return StartError(f"cannot write {path}: {error.strerror}: name a file that can be written")


def append_after(path: str, lines: Iterable[str]) -> LineFile:
    """Replace a file atomically by these lines, and open it to append further lines.

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


def write_file(path: str, text: str) -> None:
    """Write a text file, or a pipe or device; an existing file is replaced atomically.

    Raises:
        StartError: it cannot be written.
    """
    with open_lines(path) as file:
        file.write(text)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A regular file that is read at offsets. All failures are a TomogramError with the file's name.

Files are not memory-mapped: the process is killed if a mapped file is truncated, while a short read
is only an error.
"""

from __future__ import annotations

import errno
import io
import os
import stat

import numpy as np

from tomoscore_scipion.reading.file_format import conversion_by_name
from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.records.errors import TomogramError

_OPEN_FLAGS = (
    os.O_RDONLY
    # Opening a named pipe would block without O_NONBLOCK.
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class SourceFile:
    """An open regular file. It stays the same file if another one is renamed over its name."""

    def __init__(self, raw: io.FileIO, name: str) -> None:
        """Take ownership of an open, unbuffered file; `name` is for messages."""
        self.raw = raw
        self.name = name
        self._state = self._size_and_time()

    @property
    def size(self) -> int:
        """Size in bytes when the file was opened."""
        return self._state[0]

    def has_changed(self) -> bool:
        """Whether size or modification time differ from those when the file was opened."""
        return self._size_and_time() != self._state

    def _size_and_time(self) -> tuple[int, int]:
        status = os.fstat(self.raw.fileno())
        return status.st_size, status.st_mtime_ns

    def read_into(self, buffer: np.ndarray, offset: int) -> int:
        """Fill a buffer from the file.

        Args:
            buffer: uint8, shape (n_bytes,), C-contiguous.
            offset: first byte in the file.

        Returns:
            Number of bytes read, less than `n_bytes` only at the end of the file.

        Raises:
            TomogramError: the system cannot read the file.
        """
        view, count = buffer.data, 0
        try:
            self.raw.seek(offset)
            # One call is not enough: Linux reads at most 2 GiB at a time.
            while count < len(view):
                more = self.raw.readinto(view[count:])
                if not more:
                    break
                count += more
        except OSError as error:
            raise TomogramError(
                f"{self.name}: cannot be read at byte {offset}: {error.strerror}; "
                "is its disk still there?"
            ) from error
        return count

    def head(self, count: int) -> bytes:
        """The first bytes of the file, at most `count`."""
        buffer = np.empty(count, dtype=np.uint8)
        return buffer[: self.read_into(buffer, 0)].tobytes()

    def close(self) -> None:
        """Close the file; a second call has no effect."""
        self.raw.close()


def open_source(name: str, kind: FileKind = TOMOGRAM) -> SourceFile:
    """Open a regular file. The call never blocks, not even for a named pipe.

    Args:
        name: path of the file.
        kind: tomogram or stack, for messages.

    Raises:
        TomogramError: the file does not exist, cannot be read, or is not a regular file.
    """
    try:
        descriptor = os.open(name, _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise TomogramError(f"{name}: {_why_not_opened(error, name)}") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return SourceFile(io.FileIO(descriptor, "rb"), name)
    os.close(descriptor)
    what = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
    found = conversion_by_name(name) or f"{what}; give the {kind.name}'s file"
    raise TomogramError(f"{name}: expected an MRC file, but it is {found}")


def _why_not_opened(error: OSError | ValueError, name: str) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENOENT and os.path.islink(name):
        return f"is a link to {os.readlink(name)}, which does not exist; mend the link"
    if code == errno.ENOENT:
        return "expected a file, but there is none of this name; check the path"
    if code in (errno.EACCES, errno.EPERM):
        return "permission denied; ask its owner for the right to read it and its folder"
    if code == errno.ELOOP:
        return "is a link that leads back to itself; mend the link"
    return f"cannot be opened: {os.strerror(code) if code else error}; check the path"

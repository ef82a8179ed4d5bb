# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writing: a file appears under its name only when it is complete."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import Iterator


def temporary_path(path: str) -> str:
    """A new path in the folder of `path`, so that its file can be renamed to `path`."""
    return os.path.join(os.path.dirname(path), f".tomoscore-{secrets.token_hex(6)}.partial")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a temporary path; its file is renamed to `path` if the block raises no exception.

    Raises:
        OSError: the file cannot be renamed. The temporary file is removed.
    """
    temporary = temporary_path(os.fspath(path))
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file; an existing file of this name is replaced when the new one is complete.

    Raises:
        OSError: the file cannot be written. The existing file is unchanged.
    """
    with atomic_path(path) as temporary, open(temporary, "xb") as file:
        file.write(content)

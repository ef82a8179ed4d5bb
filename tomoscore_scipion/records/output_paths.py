# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the paths of output files: writable, and different from inputs and other outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterable

from tomoscore_scipion.records.errors import StartError

STANDARD_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}


def standard_stream(path: str) -> int | None:
    """The file descriptor of a path such as /dev/stdout; None for any other path."""
    match = re.fullmatch(r"(?:/dev/fd|/proc/self/fd)/(\d{1,9})", path)
    return int(match.group(1)) if match else STANDARD_STREAMS.get(path)


def is_stream(path: str) -> bool:
    """Whether a path is a pipe or a device, which is written directly and never replaced."""
    if standard_stream(path) is not None:
        return True
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def check_writable(path: str) -> None:
    """Check in advance that a file can be written.

    Raises:
        StartError: the folder does not exist, or the path is a folder or a write-protected file.
    """
    if is_stream(path):
        return
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        raise StartError(f"cannot write {path}: expected a file, found a folder: name a file in it")
    if not os.path.isdir(folder):
        raise StartError(f"cannot write {path}: the folder {folder} does not exist: make it first")
    if os.path.exists(target) and not os.access(target, os.W_OK):
        raise StartError(
            f"cannot write {path}: it is write-protected: name another file, or allow writing"
        )


def make_folder(path: str) -> Path:
    """Make a folder and its parents if they do not exist.

    Raises:
        StartError: the folder cannot be made or is not writable.
    """
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"cannot make the folder {path}: {error.strerror}: name another one"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StartError(f"cannot write in the folder {path}: allow writing, or name another one")
    return Path(path)


def check_outputs(outputs: Iterable[str | None], inputs: Iterable[str | None]) -> None:
    """Check that outputs can be written, and that none replaces an input or another output.

    Args:
        outputs: paths of the outputs; None for an output that was not requested.
        inputs: paths of the inputs; None for an input that was not given.

    Raises:
        StartError: an output cannot be written, or would replace another file.
    """
    taken = {os.path.realpath(path): "is an input" for path in inputs if path}
    for path in outputs:
        if not path or is_stream(path):
            continue
        target = os.path.realpath(path)
        if target in taken:
            raise StartError(f"{path} would be replaced, and {taken[target]}: name another output")
        check_writable(path)
        taken[target] = "is another output"

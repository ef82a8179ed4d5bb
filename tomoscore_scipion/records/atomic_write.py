# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def written_aside(path: str) -> Iterator[str]:
    """A path in the same folder whose file takes the name `path` when the block has ended well.

    Raises:
        OSError: the file cannot take its name; nothing is left behind then.
    """
    aside = os.path.join(os.path.dirname(path), f".tomoscore-{secrets.token_hex(6)}.partial")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        if os.path.exists(aside):
            os.remove(aside)


def write_file(path: str, content: bytes) -> None:
    """Write a file; one of its name is replaced when the new one is whole.

    Raises:
        OSError: it cannot be written; nothing is left behind then.
    """
    with written_aside(path) as aside, open(aside, "xb") as file:
        file.write(content)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files of other programs, in UTF-8, UTF-16 or Latin-1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

from tomoscore_scipion.records.errors import TomogramError

PathLike = Union[str, "os.PathLike[str]"]

MAX_BYTES = 64 * 2**20
BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks and their encodings."""


def read_text(path: PathLike, content: str) -> str:
    """Read a file in UTF-8 or UTF-16, with or without byte order mark, or else in Latin-1.

    Args:
        path: the file.
        content: expected content of the file, for messages.

    Raises:
        TomogramError: the file cannot be read, is too large, or is not text.
    """
    try:
        if os.path.getsize(path) > MAX_BYTES:
            raise TomogramError(f"{path}: expected {content}, of at most {MAX_BYTES >> 20} MB")
        raw = Path(path).read_bytes()
    except OSError as error:
        raise TomogramError(f"{path}: expected {content}: {error.strerror}") from error
    marked = [encoding for mark, encoding in BYTE_ORDER_MARKS if raw.startswith(mark)]
    for encoding in (*marked, *_encodings_of_two_bytes(raw), "utf-8", "latin-1"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise TomogramError(
                f"{path}: expected {content}, got binary data; is it another file, or in another "
                "encoding than UTF-8 and UTF-16?"
            )
        return text
    raise TomogramError(f"{path}: expected {content}, in UTF-8")


def _encodings_of_two_bytes(raw: bytes) -> tuple[str, ...]:
    """Encoding of UTF-16 without a mark: in Western text every second byte is 0."""
    low, high = raw[::2].count(0), raw[1::2].count(0)
    if 4 * max(low, high) <= len(raw) or min(low, high) > 0:
        return ()
    return ("utf-16-le" if high else "utf-16-be",)

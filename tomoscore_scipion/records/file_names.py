# SPDX-License-Identifier: GPL-3.0-or-later
"""File names for one tomogram, made from its id, which may be any text."""

from __future__ import annotations

import hashlib
import re

MAX_STEM_LENGTH = 80
_HASH_DIGITS = 10
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def file_stem(ts_id: str) -> str:
    """The stem of the names of a tomogram's files: the id itself if it is a safe name.

    Otherwise unsafe characters become "_", and a hash of the id makes the stem unique. A stem has
    no folder and at most 80 characters, and does not begin with a dot or a dash.

    Args:
        ts_id: the tomogram's id, any text that is not empty.
    """
    if _SAFE.fullmatch(ts_id) and len(ts_id) <= MAX_STEM_LENGTH:
        return ts_id
    digest = hashlib.sha256(ts_id.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    readable = re.sub(r"[^A-Za-z0-9_.+-]+", "_", ts_id).strip("._-")
    readable = readable[: MAX_STEM_LENGTH - _HASH_DIGITS - 1]
    return f"{readable or 'id'}-{digest}"

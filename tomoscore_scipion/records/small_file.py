# SPDX-License-Identifier: GPL-3.0-or-later
"""Small JSON files with one object, such as rules and calibrations, with strict reading.

The key "what" names the kind of object, "schema" the version of its format.
"""

from __future__ import annotations

import json
import math
from typing import Any, Mapping, Sequence

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file


def write_object(path: str, content: Mapping[str, Any]) -> None:
    """Write an object atomically; an existing file is replaced.

    Raises:
        StartError: the file cannot be written.
    """
    write_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_object(path: str, what: str, schema: int, keys: Sequence[str]) -> dict[str, Any]:
    """Read an object and check its kind, its version and its keys.

    Args:
        path: the file.
        what: expected value of the key "what", such as "TomoScore rule".
        schema: expected value of the key "schema".
        keys: other required keys.

    Raises:
        StartError: the file cannot be read, or has another kind of content; the message names the
            file.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read())
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StartError(f"{path}: expected a {what}, found no valid JSON ({error})") from error
    found = content.get("what") if isinstance(content, dict) else type(content).__name__
    if found != what:
        raise StartError(f"{path}: expected a {what}, found {found!r}: name another file")
    if content.get("schema") != schema:
        raise StartError(
            f"{path}: expected a {what} of schema {schema}, found {content.get('schema')!r}: use "
            "the version of TomoScore that wrote it, or write it again"
        )
    missing = [key for key in keys if key not in content]
    if missing:
        raise StartError(f"{path}: the {what} lacks {', '.join(missing)}: write it again")
    return content


def numbers(values: Any, count: int) -> tuple[float, ...]:
    """Check that a value is a list of `count` finite numbers and return it as a tuple.

    Raises:
        ValueError: the value is not such a list.
    """
    fine = isinstance(values, (list, tuple)) and len(values) == count
    if not fine or not all(is_finite(value) for value in values):
        raise ValueError(f"expected {count} numbers, got {values!r}")
    return tuple(float(value) for value in values)


def is_finite(value: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

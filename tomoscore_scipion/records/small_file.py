# SPDX-License-Identifier: GPL-3.0-or-later
"""Small JSON files with one object, such as rules and calibrations, which are read strictly.

The key "what" names the kind of object, and "schema" the version of its form.
"""

from __future__ import annotations

import json
import math
from typing import Any, Mapping, Sequence

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file


def write_object(path: str, content: Mapping[str, Any]) -> None:
    """Write an object; a file of its name is replaced when the new one is whole.

    Raises:
        StartError: it cannot be written.
    """
    write_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_object(path: str, what: str, schema: int, keys: Sequence[str]) -> dict[str, Any]:
    """Read an object and check its kind, its version, and that all its keys are there.

    Args:
        path: the file.
        what: the kind of object, as its key "what" has it, such as "TomoScore rule".
        schema: the version of its form.
        keys: what it must have besides.

    Raises:
        StartError: it cannot be read, or is something else; the message names the file.
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
    """A list of so many finite numbers.

    Raises:
        ValueError: it is something else.
    """
    fine = isinstance(values, (list, tuple)) and len(values) == count
    if not fine or not all(is_finite(value) for value in values):
        raise ValueError(f"expected {count} numbers, got {values!r}")
    return tuple(float(value) for value in values)


def is_finite(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

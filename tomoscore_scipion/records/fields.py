# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of JSON objects by tables of fields.

A check is a function of a value. It returns the value, converted if necessary, or raises a
ValueError "expected ..., got ...".
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from tomoscore_scipion.records.errors import StartError

Check = Callable[[Any], Any]

MAX_FLOAT = sys.float_info.max


class Field(NamedTuple):
    """A field of an object.

    Attributes:
        name: key of the field.
        check: check of the value.
        default: value if the key is missing.
        required: whether the key is required.
    """

    name: str
    check: Check
    default: Any = None
    required: bool = False


def expect(accepts: Callable[[Any], bool], expected: str) -> Check:
    """A check that accepts the values for which a function returns True.

    Args:
        accepts: the function.
        expected: description of a valid value, for the message.
    """

    def check(value: Any) -> Any:
        if not accepts(value):
            raise ValueError(f"expected {expected}, got {shortened(value)}")
        return value

    return check


def optional(check: Check) -> Check:
    """A check that also accepts None."""
    return lambda value: None if value is None else check(value)


def positive(expected: str, high: float = MAX_FLOAT) -> Check:
    """A check for a number > 0, which is converted to float.

    Args:
        expected: description of a valid value, for the message.
        high: maximum accepted number.
    """
    check = expect(lambda value: is_number(value, 0, high) and value > 0, expected)
    return lambda value: float(check(value))


def any_value(value: Any) -> Any:
    """A check that accepts all values, for fields that are checked elsewhere."""
    return value


def a_list(value: Any) -> list[Any]:
    """A check for a list; the message has only the type of another value, which may be long."""
    if not isinstance(value, list):
        raise ValueError(f"expected a list, got {type(value).__name__}")
    return value


def shortened(value: Any) -> str:
    """The repr of a value, shortened to at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def is_number(value: Any, low: float = 0.0, high: float = MAX_FLOAT) -> bool:
    """Whether a value is a number from `low` to `high`; NaN and booleans are not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and low <= value <= high


def is_index(value: Any) -> bool:
    """Whether a value is an integer >= 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_text(value: Any) -> bool:
    """Whether a value is a non-empty string."""
    return isinstance(value, str) and value != ""


def is_path(value: Any) -> bool:
    """Whether a value can be a path."""
    return is_text(value) and "\0" not in value


def is_id(value: Any) -> bool:
    """Whether a value is non-empty printable text."""
    return is_text(value) and value.isprintable()


def check_fields(
    values: Mapping[str, Any],
    fields: Sequence[Field],
    where: str = "",
    error: type[Exception] = ValueError,
) -> dict[str, Any]:
    """Check the values of an object.

    Args:
        values: the object.
        fields: fields of the object; other keys of `values` are ignored.
        where: start of the message, before the name of the field.
        error: class of the exception.

    Returns:
        The values of all fields, by name.

    Raises:
        error: a value is not valid for its field; the message names the field.
    """
    checked = {}
    for name, check, default, _ in fields:
        try:
            checked[name] = check(values.get(name, default))
        except ValueError as fault:
            raise error(f"{where}{name}: {fault}") from fault
    return checked


def check_keys(content: Any, what: str, fields: Sequence[Field]) -> None:
    """Check that an object has all required keys and no unknown ones.

    Args:
        content: the object, parsed from JSON.
        what: name of the object, for the message.
        fields: fields of the object.

    Raises:
        StartError: the content is not an object, or has missing or unknown keys.
    """
    if not isinstance(content, dict):
        raise StartError(f"{what}: expected a JSON object, got {type(content).__name__}")
    missing = [field.name for field in fields if field.required and field.name not in content]
    if missing:
        raise StartError(f"{what} lacks {', '.join(missing)}")
    names = [field.name for field in fields]
    unknown = [repr(key) for key in content if key not in names]
    if unknown:
        raise StartError(
            f"{what} has unknown keys {', '.join(unknown)}: remove them (known: {', '.join(names)})"
        )

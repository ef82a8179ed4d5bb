# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a session: a CSV file `ts_id,acquired` with a line for each tomogram.

`acquired` is the time of acquisition in ISO 8601 and may be empty. Drift over a session is visible
in this order only, because workers finish tomograms in another order.
"""

from __future__ import annotations

import csv
import os
from datetime import datetime
from typing import Iterable, Mapping, Optional, Sequence, TypeVar

from tomoscore_scipion.records.csv_lines import csv_row
from tomoscore_scipion.records.errors import StartError

Item = TypeVar("Item")
Order = Mapping[str, Optional[datetime]]
"""{ts_id: time of acquisition or None}, in the order of the input."""

COLUMNS = ("ts_id", "acquired")
BY_ACQUISITION, BY_INPUT, BY_RESULTS = "of acquisition", "of the input", "of the results"
"""Names of the orders, which follow the words "in the order"."""


def order_text(order: Order) -> str:
    """The content of the CSV file for an order."""
    rows = ((key, when.isoformat() if when else "") for key, when in order.items())
    return "".join(map(csv_row, (COLUMNS, *rows)))


def read_order(path: str | os.PathLike[str]) -> Order:
    """Read an order.

    Raises:
        StartError: the file cannot be read, or has another format.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise StartError(f"cannot read the order of the session, {path}: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        found = ",".join(rows[0]) if rows else "nothing"
        raise StartError(f"{path}, line 1: expected {','.join(COLUMNS)}, found {found}")
    order: dict[str, datetime | None] = {}
    for number, row in enumerate(rows[1:], 2):
        try:
            ts_id, acquired = row
            order[ts_id] = datetime.fromisoformat(acquired) if acquired else None
        except ValueError as error:
            raise StartError(
                f"{path}, line {number}: expected an id and a time such as 2024-05-17T09:30:00, or "
                f"none, found {','.join(row)}"
            ) from error
    return order


def in_order(items: Sequence[Item], ids: Iterable[str], order: Order) -> tuple[list[Item], str]:
    """Sort items by the order of the session.

    Items are sorted by time of acquisition if all times are known, else in the order of the input.
    Items that the order does not list come last, in their present order.

    Args:
        items: items to sort.
        ids: ids of the items.
        order: order from `read_order`; empty if unknown.

    Returns:
        The sorted items, and the order used: `BY_ACQUISITION`, `BY_INPUT` or `BY_RESULTS`.
    """
    pairs = list(zip(ids, items))
    known = [order[key] for key, _ in pairs if key in order]
    if not known:
        return list(items), BY_RESULTS
    places = {key: place for place, key in enumerate(order)}
    by_time = len(known) == len(pairs) and None not in known
    if by_time:
        times = {key: when.timestamp() for key, when in order.items() if when is not None}
        pairs.sort(key=lambda pair: (times[pair[0]], places[pair[0]]))
    else:
        pairs.sort(key=lambda pair: places.get(pair[0], len(places)))
    return [item for _, item in pairs], BY_ACQUISITION if by_time else BY_INPUT

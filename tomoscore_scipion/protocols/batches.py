# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookkeeping of batches: items that wait, items that run, and items on which an engine died.

Only the generator step uses this module, so no lock is needed. It does not depend on Scipion.
"""

MAX_ITEMS = 50
"""Maximum number of items in a batch: a batch occupies one GPU until all its items are done."""


class EngineDiedError(Exception):
    """The engine cannot process any item; the message has the reason."""


class Batches:
    """The state of all items: waiting, running or finished."""

    def __init__(self, slots):
        """Begin without items.

        Args:
            slots: maximum number of batches that run at the same time.
        """
        self._slots = slots
        self._seen = set()
        self._waiting = {}  # {id: item}
        self._running = {}  # {batch: {id: item}}
        self._cost = {}  # {id: cost} of items that wait or run
        self._completed = {}  # {batch: number of its items that are complete}
        self._suspects = set()  # items on which an engine ended
        self._fruitless = set()  # items on which consecutive engines ended without any result

    @property
    def busy(self):
        """Whether any item waits or runs."""
        return bool(self._waiting or self._running)

    def mark_done(self, ids):
        """Mark ids as processed in an earlier run; `add` ignores them."""
        self._seen.update(ids)

    def add(self, key, item, cost=1):
        """Add a waiting item, unless its id was added or marked before.

        Args:
            key: id of the item.
            item: any object.
            cost: cost estimate, proportional to the run time, such as the size of the file.
        """
        if key not in self._seen:
            self._seen.add(key)
            self._waiting[key] = item
            self._cost[key] = cost

    def is_new(self, key):
        """Whether an id was neither added nor marked as done."""
        return key not in self._seen

    def waiting(self, key):
        """The item of this id if it waits for a batch, else None."""
        return self._waiting.get(key)

    def running(self):
        """The names of the running batches."""
        return list(self._running)

    def next(self):
        """The items {id: item} of the next batch; {} when no slot is free or no item waits.

        Waiting items are distributed over all slots, the most expensive first, each to the slot
        with the smallest load (greedy scheduling). The batch has the items of the first free slot,
        in the order in which they were added. Suspects come last, since they may end the engine.
        """
        free = self._slots - len(self._running)
        if free <= 0 or not self._waiting:
            return {}
        loads = [0] + [sum(map(self._cost.get, ids)) for ids in self._running.values()]
        loads += [0] * (free - 1)
        # Use a limited number, so that cheap items do not wait for ever behind expensive ones.
        candidates = list(self._waiting)[: MAX_ITEMS * self._slots]
        batch = set()
        for key in sorted(candidates, key=self._cost.get, reverse=True):
            slot = loads.index(min(loads))
            loads[slot] += self._cost[key]
            if slot == 0 and len(batch) < MAX_ITEMS:
                batch.add(key)
        in_order = [key for key in candidates if key in batch]
        in_order.sort(key=self._suspects.__contains__)
        return {key: self._waiting[key] for key in in_order}

    def start(self, batch, items):
        """Mark items {id: item} as running in a batch with a unique name."""
        for key in items:
            del self._waiting[key]
        self._running[batch] = dict(items)
        self._completed[batch] = 0

    def complete(self, key):
        """Remove an item that has a result; returns the item, or None if it is not expected."""
        if key in self._waiting:
            self._forget(key)
            return self._waiting.pop(key)
        for batch, items in self._running.items():
            if key in items:
                self._completed[batch] += 1
                self._fruitless.clear()
                self._forget(key)
                return items.pop(key)
        return None

    def _forget(self, key):
        del self._cost[key]
        self._suspects.discard(key)

    def end(self, batch, message, could_not_start):
        """Remove a batch on which the engine has ended; its items without a result wait again.

        The engine may have run out of memory on the first item without a result, or was ended from
        outside: its job was cancelled or exceeded its time limit, or its node failed. This item is
        tried once more, after the others, and fails if an engine ends on it again.

        Args:
            batch: name of the batch.
            message: the last lines of the engine.
            could_not_start: whether the engine reported that it could not start.

        Returns:
            {id: item} of items that have failed.

        Raises:
            EngineDiedError: the engine could not start, or consecutive engines ended on different
                items without any result.
        """
        items = self._running.pop(batch)
        completed = self._completed.pop(batch)
        if not items:
            return {}
        if could_not_start:
            raise EngineDiedError(f"the TomoScore engine could not start: {message}")
        first = next(iter(items))
        if not completed:
            self._fruitless.add(first)
            if len(self._fruitless) > 1:
                raise EngineDiedError(
                    f"the TomoScore engine ended twice without a result: {message}"
                )
        given_up = {first: items.pop(first)} if first in self._suspects else {}
        for key in given_up:
            self._forget(key)
        if not given_up:
            self._suspects.add(first)
        self._waiting = {**items, **self._waiting}
        return given_up

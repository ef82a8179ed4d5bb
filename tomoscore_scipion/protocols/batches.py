# SPDX-License-Identifier: GPL-3.0-or-later
"""Bookkeeping of batches: which items wait, which are running, and which ones killed an engine.

Only the generator step uses it, so that it needs no lock.  Independent of Scipion.
"""

MAX_ITEMS = 50
"""Maximum number of items in a batch: a batch occupies one GPU until all its items are done."""


class EngineDiedError(Exception):
    """The engine cannot work on any item; the message says why."""


class Batches:
    """Items on their way through the engine."""

    def __init__(self, slots):
        """Begin without items.

        Args:
            slots: number of batches that may run at the same time.
        """
        self._slots = slots
        self._seen = set()
        self._waiting = {}  # {id: item}
        self._running = {}  # {batch: {id: item}}
        self._cost = {}  # {id: cost} of items that wait or run
        self._completed = {}  # {batch: number of its items that are complete}
        self._suspects = set()  # items over which an engine ended
        self._fruitless = set()  # items over which engines ended in a row without any result

    @property
    def busy(self):
        """Whether any item waits or runs."""
        return bool(self._waiting or self._running)

    def mark_done(self, ids):
        """Ignore these ids when they are added: they were done before."""
        self._seen.update(ids)

    def add(self, key, item, cost=1):
        """Let an item wait for the next batch, unless its id was seen before.

        Args:
            key: its id.
            item: any object.
            cost: cost estimate, proportional to its run time, such as the size of its file.
        """
        if key not in self._seen:
            self._seen.add(key)
            self._waiting[key] = item
            self._cost[key] = cost

    def is_new(self, key):
        """Whether an id was neither added nor marked as done."""
        return key not in self._seen

    def waiting(self, key):
        """The item of this id where it waits for a batch, else None."""
        return self._waiting.get(key)

    def running(self):
        """The names of the running batches."""
        return list(self._running)

    def next(self):
        """The items {id: item} of the next batch; {} when no slot is free or no item waits.

        Waiting items are distributed over all slots, the most expensive first, each to the slot
        with the smallest load (greedy scheduling).  The batch has those of the first free slot, in
        the order in which they were added.  Suspects come last, since they may end the engine.
        """
        free = self._slots - len(self._running)
        if free <= 0 or not self._waiting:
            return {}
        loads = [0] + [sum(map(self._cost.get, ids)) for ids in self._running.values()]
        loads += [0] * (free - 1)
        # Not all of them, so that no cheap item waits for ever behind expensive ones.
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
        """Let items {id: item} run as a batch with a unique name."""
        for key in items:
            del self._waiting[key]
        self._running[batch] = dict(items)
        self._completed[batch] = 0

    def complete(self, key):
        """Remove an item that has a result; returns it, or None where none is expected."""
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

        The engine may have been killed for its memory over the first item that has no result, or
        from outside: its job was cancelled, its time was over, its node failed.  That item is tried
        once more, after the others, and given up when an engine ends over it again.

        Args:
            batch: its name.
            message: the last lines of the engine.
            could_not_start: whether the engine reported that it could not start.

        Returns:
            {id: item} of items that are given up.

        Raises:
            EngineDiedError: the engine could not start, or engines ended over different items in a
                row without any result.
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

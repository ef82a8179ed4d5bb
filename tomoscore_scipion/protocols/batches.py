# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tomograms wait, which are being scored, and what becomes of those that an engine dropped.

Only the generator step uses it, so that it needs no lock.  Knows nothing of Scipion.
"""

LARGEST = 50
"""Tomograms in one batch at most: a batch is what one GPU holds without sharing."""


class EngineDiedError(Exception):
    """The engine cannot score anything; the message says why."""


class Batches:
    """Tomograms on their way through the engine."""

    def __init__(self, slots):
        """Begin with nothing.

        Args:
            slots: batches that may run at the same time.
        """
        self._slots = slots
        self._seen = set()
        self._waiting = {}  # id: tomogram
        self._flying = {}  # batch: {id: tomogram}
        self._size = {}  # id: size, of those that wait or are being scored
        self._landed_of = {}  # batch: number of its tomograms that came back
        self._suspects = set()  # an engine ended over them
        self._barren = set()  # those over which engines ended in a row without any result

    @property
    def busy(self):
        """Whether there is something that waits or is being scored."""
        return bool(self._waiting or self._flying)

    def know(self, ids):
        """These are done already; they will not be taken when they are offered."""
        self._seen.update(ids)

    def offer(self, key, tomogram, size=1):
        """Take a tomogram in, unless it was seen before.

        Args:
            key: its id.
            tomogram: itself.
            size: to what its time is in proportion, such as the bytes of its file.
        """
        if key not in self._seen:
            self._seen.add(key)
            self._waiting[key] = tomogram
            self._size[key] = size

    def unseen(self, key):
        """Whether a tomogram has not been offered, nor is known, yet."""
        return key not in self._seen

    def waiting(self, key):
        """The item of this id where it has been offered, and is in no batch; else None."""
        return self._waiting.get(key)

    def next(self):
        """The tomograms of the next batch, {} when no slot is free or nothing waits.

        What waits is shared out, the largest first, each to the slot that would be done first
        with what it has: a free slot gets its share of it, a busy one is left the rest.  Within
        a batch they are in the order in which they came, but suspects last: others should not go
        with them.
        """
        free = self._slots - len(self._flying)
        if free <= 0 or not self._waiting:
            return {}
        loads = [0] + [sum(map(self._size.get, ids)) for ids in self._flying.values()]
        loads += [0] * (free - 1)
        # Only as many as can be taken now, so that none waits for ever for larger ones to be done.
        first = list(self._waiting)[: LARGEST * self._slots]
        share = set()
        for key in sorted(first, key=self._size.get, reverse=True):
            least = loads.index(min(loads))
            loads[least] += self._size[key]
            if least == 0 and len(share) < LARGEST:
                share.add(key)
        in_order = [key for key in first if key in share]
        in_order.sort(key=self._suspects.__contains__)
        return {key: self._waiting[key] for key in in_order}

    def start(self, batch, tomograms):
        """A batch, under a name of its own, is being scored."""
        for key in tomograms:
            del self._waiting[key]
        self._flying[batch] = dict(tomograms)
        self._landed_of[batch] = 0

    def running(self):
        """The names of the batches that are being scored."""
        return list(self._flying)

    def land(self, key):
        """A tomogram came back: the tomogram, or None when it is not expected (any more)."""
        if key in self._waiting:
            self._forget(key)
            return self._waiting.pop(key)
        for batch, tomograms in self._flying.items():
            if key in tomograms:
                self._landed_of[batch] += 1
                self._barren.clear()
                self._forget(key)
                return tomograms.pop(key)
        return None

    def _forget(self, key):
        del self._size[key]
        self._suspects.discard(key)

    def end(self, batch, said, could_not_start):
        """A batch's engine has ended.

        It may have been killed for its memory over the first tomogram that has no record, or from
        outside: its job was cancelled, its time was over, its node failed.  That tomogram is tried
        once more, after the others, and given up when an engine ends over it again.  Where engines
        end over different ones in a row, and nothing comes back, they are blamed themselves.

        Args:
            batch: its name.
            said: the engine's last words.
            could_not_start: whether it said that it could not start.

        Returns:
            {id: tomogram} that are given up.

        Raises:
            EngineDiedError: there is no use in going on.
        """
        dropped = self._flying.pop(batch)
        landed = self._landed_of.pop(batch)
        if not dropped:
            return {}
        if could_not_start:
            raise EngineDiedError(f"the TomoScore engine could not start: {said}")
        first = next(iter(dropped))
        if not landed:
            self._barren.add(first)
            if len(self._barren) > 1:
                raise EngineDiedError(f"the TomoScore engine ended twice without a result: {said}")
        given_up = {first: dropped.pop(first)} if first in self._suspects else {}
        for key in given_up:
            self._forget(key)
        if not given_up:
            self._suspects.add(first)
        self._waiting = {**dropped, **self._waiting}
        return given_up

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tomograms wait, which are being scored, and what becomes of those that an engine dropped.

Only the generator step uses it, so that it needs no lock.  Knows nothing of Scipion.
"""

import math

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
        self._landed_of = {}  # batch: number of its tomograms that came back
        self._barren = 0  # batches in a row of which none came back

    @property
    def busy(self):
        """Whether there is something that waits or is being scored."""
        return bool(self._waiting or self._flying)

    def know(self, ids):
        """These are done already; they will not be taken when they are offered."""
        self._seen.update(ids)

    def offer(self, key, tomogram):
        """Take a tomogram in, unless it was seen before."""
        if key not in self._seen:
            self._seen.add(key)
            self._waiting[key] = tomogram

    def unseen(self, key):
        """Whether a tomogram has not been offered, nor is known, yet."""
        return key not in self._seen

    def is_waiting(self, key):
        """Whether a tomogram has been offered, and is in no batch."""
        return key in self._waiting

    def waiting(self, key):
        """A tomogram that is waiting."""
        return self._waiting[key]

    def next(self):
        """The tomograms of the next batch, {} when no slot is free or nothing waits."""
        free = self._slots - len(self._flying)
        if free <= 0 or not self._waiting:
            return {}
        count = min(LARGEST, math.ceil(len(self._waiting) / free))
        return {key: self._waiting[key] for key in list(self._waiting)[:count]}

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
            return self._waiting.pop(key)
        for batch, tomograms in self._flying.items():
            if key in tomograms:
                self._landed_of[batch] += 1
                self._barren = 0
                return tomograms.pop(key)
        return None

    def end(self, batch, said, could_not_start):
        """A batch's engine has ended.

        An engine that dies (killed for its memory, say) does so over the first tomogram that has
        no record.  That one is given up, the others are tried again.  Where nothing came back at
        all, another one is put first before the engine itself is blamed.

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
        first, *others = dropped
        if landed or len(dropped) == 1:
            self._waiting = {**{key: dropped[key] for key in others}, **self._waiting}
            return {first: dropped[first]}
        self._barren += 1
        if self._barren > 1:
            raise EngineDiedError(f"the TomoScore engine ended twice without a result: {said}")
        self._waiting = {**{key: dropped[key] for key in (*others, first)}, **self._waiting}
        return {}

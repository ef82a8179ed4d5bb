# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are complete: their size agrees with their header, and they stand still.

What a program writes in place, or copies, has its whole header at once and grows for minutes; what
is written through a memory map has its whole size at once. So both are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from tomoscore_scipion.session.files import State, is_whole

STALE_S = 600.0
"""A file that is not as its header says and stands still for so long is scored as it is: its
record says what is wrong with it."""


@dataclass
class _Seen:
    state: State
    since: float
    whole: bool | None = None


class Waiting:
    """Files that are there and not done yet, in their present state.

    Attributes:
        changed: when a file last came, grew or was written, on the clock of `look`.
    """

    def __init__(
        self, settle_s: float, now: float, check_whole: Callable[[str], bool] = is_whole
    ) -> None:
        """Begin to wait.

        Args:
            settle_s: seconds that a file must stand still.
            now: the time, in seconds of a monotonic clock.
            check_whole: whether a file is as large as its header says.
        """
        self.changed = now
        self._settle_s = settle_s
        self._check_whole = check_whole
        self._seen: dict[str, _Seen] = {}

    def look(
        self, found: Mapping[str, State], done: Callable[[str], State | None], now: float
    ) -> None:
        """Take note of what is there.

        Args:
            found: {path: state} of all files.
            done: the state in which a path was done, None where it was not.
            now: the time.
        """
        waiting = {path: state for path, state in found.items() if done(path) != state}
        for path in list(self._seen):
            if path not in waiting:
                del self._seen[path]
        for path, state in waiting.items():
            seen = self._seen.get(path)
            if seen is None or seen.state != state:
                self._seen[path] = _Seen(state, now)
                self.changed = now

    def next(self, now: float) -> tuple[str, State] | None:
        """The complete file that was written first, with its state; None where there is none."""
        ready = [path for path, seen in self._seen.items() if self._is_ready(path, seen, now)]
        if not ready:
            return None
        path = min(ready, key=lambda path: (self._seen[path].state.mtime_ns, path))
        return path, self._seen[path].state

    def wait_s(self, now: float, longest_s: float) -> float:
        """Seconds until a file may have become complete, at most so many."""
        times = [seen.since + self._settle_s - now for seen in self._seen.values()]
        return max(0.0, min([longest_s, *(seconds for seconds in times if seconds > 0)]))

    def rest(self) -> list[tuple[str, State]]:
        """The files that did not become complete, the one that was written first before all."""
        files = [(path, seen.state) for path, seen in self._seen.items()]
        return sorted(files, key=lambda file: (file[1].mtime_ns, file[0]))

    def forget(self, path: str) -> None:
        """Wait no longer for a file, which is done."""
        self._seen.pop(path, None)

    def _is_ready(self, path: str, seen: _Seen, now: float) -> bool:
        still_s = now - seen.since
        if still_s < self._settle_s:
            return False
        if seen.whole is None:
            seen.whole = self._check_whole(path)
        return seen.whole or still_s >= STALE_S

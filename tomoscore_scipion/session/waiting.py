# SPDX-License-Identifier: GPL-3.0-or-later
"""Detects complete files: their size agrees with their header, and they no longer change.

A file that a program writes in place or copies has its header at once and grows for minutes. A file
that is written through a memory map has its full size at once. So both conditions are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from tomoscore_scipion.session.files import State, is_whole

STALE_S = 600.0
"""A file that disagrees with its header and has not changed for this time is scored as it is; its
record has the reason of the failure."""


@dataclass
class _Seen:
    state: State
    since: float
    whole: bool | None = None


class Waiting:
    """Files that exist and are not scored yet, with their state.

    Attributes:
        changed: when a file last appeared or changed, on the clock of `look`.
    """

    def __init__(
        self, settle_s: float, now: float, check_whole: Callable[[str], bool] = is_whole
    ) -> None:
        """Start without files.

        Args:
            settle_s: seconds for which a file must not change.
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
        """Record the files of the folder.

        Args:
            found: {path: state} of all files.
            done: gives the state in which a file was scored; None if it was not.
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
        """The oldest complete file with its state; None if no file is complete."""
        ready = [path for path, seen in self._seen.items() if self._is_ready(path, seen, now)]
        if not ready:
            return None
        path = min(ready, key=lambda path: (self._seen[path].state.mtime_ns, path))
        return path, self._seen[path].state

    def wait_s(self, now: float, longest_s: float) -> float:
        """Seconds until a file may be complete, at most `most`."""
        times = [seen.since + self._settle_s - now for seen in self._seen.values()]
        return max(0.0, min([longest_s, *(seconds for seconds in times if seconds > 0)]))

    def rest(self) -> list[tuple[str, State]]:
        """The files that did not become complete, oldest first."""
        files = [(path, seen.state) for path, seen in self._seen.items()]
        return sorted(files, key=lambda file: (file[1].mtime_ns, file[0]))

    def forget(self, path: str) -> None:
        """Remove a file that is scored."""
        self._seen.pop(path, None)

    def _is_ready(self, path: str, seen: _Seen, now: float) -> bool:
        still_s = now - seen.since
        if still_s < self._settle_s:
            return False
        if seen.whole is None:
            seen.whole = self._check_whole(path)
        return seen.whole or still_s >= STALE_S

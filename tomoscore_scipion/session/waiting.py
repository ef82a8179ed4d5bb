# SPDX-License-Identifier: GPL-3.0-or-later
"""Detects complete files: their size agrees with their header, and they no longer change.

A file that a program writes in place or copies has its header at once and grows for minutes. A file
that is written through a memory map has its full size at once. So both conditions are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from tomoscore_scipion.session.files import State, is_complete

STALE_S = 600.0
"""A file that disagrees with its header and has not changed for this time is scored as it is; its
record has the reason of the failure."""


@dataclass
class _WaitingFile:
    state: State
    since: float
    complete: bool | None = None


class Waiting:
    """Files that exist and are not scored yet, with their state.

    Attributes:
        changed: when a file last appeared or changed, on the clock of `update`.
    """

    def __init__(
        self, settle_s: float, now: float, check_complete: Callable[[str], bool] = is_complete
    ) -> None:
        """Start without files.

        Args:
            settle_s: seconds for which a file must not change.
            now: the time, in seconds of a monotonic clock.
            check_complete: whether a file is as large as its header says.
        """
        self.changed = now
        self._settle_s = settle_s
        self._check_complete = check_complete
        self._files: dict[str, _WaitingFile] = {}

    def update(
        self, files: Mapping[str, State], scored_state: Callable[[str], State | None], now: float
    ) -> None:
        """Record the files of the folder.

        Args:
            files: {path: state} of all files.
            scored_state: gives the state in which a file was scored; None if it was not.
            now: the time.
        """
        waiting = {path: state for path, state in files.items() if scored_state(path) != state}
        for path in list(self._files):
            if path not in waiting:
                del self._files[path]
        for path, state in waiting.items():
            file = self._files.get(path)
            if file is None or file.state != state:
                self._files[path] = _WaitingFile(state, now)
                self.changed = now

    def next(self, now: float) -> tuple[str, State] | None:
        """The oldest complete file with its state; None if no file is complete."""
        ready = [path for path, file in self._files.items() if self._is_ready(path, file, now)]
        if not ready:
            return None
        path = min(ready, key=lambda path: (self._files[path].state.mtime_ns, path))
        return path, self._files[path].state

    def wait_s(self, now: float, longest_s: float) -> float:
        """Seconds until a file may be complete, at most `longest_s`."""
        times = [file.since + self._settle_s - now for file in self._files.values()]
        return max(0.0, min([longest_s, *(seconds for seconds in times if seconds > 0)]))

    def incomplete(self) -> list[tuple[str, State]]:
        """The files that did not become complete, oldest first."""
        files = [(path, file.state) for path, file in self._files.items()]
        return sorted(files, key=lambda item: (item[1].mtime_ns, item[0]))

    def forget(self, path: str) -> None:
        """Remove a file that is scored."""
        self._files.pop(path, None)

    def _is_ready(self, path: str, file: _WaitingFile, now: float) -> bool:
        still_s = now - file.since
        if still_s < self._settle_s:
            return False
        if file.complete is None:
            file.complete = self._check_complete(path)
        return file.complete or still_s >= STALE_S

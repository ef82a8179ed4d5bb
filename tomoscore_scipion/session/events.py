# SPDX-License-Identifier: GPL-3.0-or-later
"""What wakes a watch: the events of a file system, by the package watchdog.

They only say that it is worth looking; what is there is looked at anew. So events that a network
file system does not send, or that are lost, cost time and nothing else.
"""

from __future__ import annotations

import threading
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Events(FileSystemEventHandler):
    """The events of a folder and those below it. A context manager.

    Attributes:
        why_not: why there are none; None where there are.
    """

    def __init__(self, folder: str) -> None:
        """Name the folder; nothing is watched yet."""
        self.why_not: str | None = None
        self._folder = folder
        self._happened = threading.Event()
        self._observer: Any = None

    def __enter__(self) -> Events:
        observer = Observer()
        try:
            observer.schedule(self, self._folder, recursive=True)
            observer.start()
        except OSError as error:  # the limit of inotify watches, or no events in this file system
            self.why_not = error.strerror or str(error)
            return self
        self._observer = observer
        return self

    def __exit__(self, *exception: object) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake who waits; reading a file is no reason to."""
        if event.event_type not in ("opened", "closed_no_write"):
            self._happened.set()

    def wait(self, seconds: float) -> bool:
        """Wait for an event, at most so long; whether one came since it was last asked for."""
        happened = self._happened.wait(seconds)
        self._happened.clear()
        return happened

# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the file system that wake a watch, from the package watchdog.

An event only causes the folder to be listed early. Events that a network file system does not send,
or that are lost, delay the scoring and have no other effect.
"""

from __future__ import annotations

import threading
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Events(FileSystemEventHandler):
    """The events of a folder and those below it. A context manager.

    Attributes:
        why_not: why events are not available; None if they are.
    """

    def __init__(self, folder: str) -> None:
        """Set the folder; watching starts later."""
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
        """Wake the waiting thread, except for events of reading."""
        if event.event_type not in ("opened", "closed_no_write"):
            self._happened.set()

    def wait(self, seconds: float) -> bool:
        """Wait for an event. Returns whether one came since the last call."""
        happened = self._happened.wait(seconds)
        self._happened.clear()
        return happened

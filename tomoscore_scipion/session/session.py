# SPDX-License-Identifier: GPL-3.0-or-later
"""A running session: scores the complete files of a folder and keeps the results up to date."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Callable, Sequence

from tomoscore_scipion.pipelines.warp_folder import warp_file
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.terminal import notify
from tomoscore_scipion.report.writing import write_report
from tomoscore_scipion.running.progress import score_text
from tomoscore_scipion.running.stopping import Check
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.session.events import Events
from tomoscore_scipion.session.files import State, state_of, states_in
from tomoscore_scipion.session.results import REPORT, Results
from tomoscore_scipion.session.waiting import Waiting

PICTURES = "pictures"
LOOK_S = 1.0
"""Minimum time between two listings of the folder: a file that is written causes many events."""
CHECK_S = 0.2
"""Maximum time until a requested stop is noticed."""
REFRESH_S = 10.0
"""Minimum time between two updates of CSV file and report."""
REFRESH_RATIO = 20.0
"""Minimum of the same time, as a multiple of the time that the last update took."""


@dataclass(frozen=True)
class Plan:
    """Settings of a watch.

    Attributes:
        folder: folder in which tomograms appear.
        output: folder for the results.
        pattern: pattern of the files of tomograms, below the folder.
        exclude: patterns of file names that are left out.
        settle_s: seconds for which a file must not change.
        poll_s: seconds after which the folder is listed without an event.
        idle_s: seconds without a change after which the session ends; None for no end.
        voxel_size_angstrom: voxel size that replaces that of the headers; None to use the headers.
        maps: folder for quality maps; None for no maps.
        quiet: print nothing but errors.
    """

    folder: str
    output: str
    pattern: str
    exclude: Sequence[str]
    settle_s: float
    poll_s: float
    idle_s: float | None = None
    voxel_size_angstrom: float | None = None
    maps: str | None = None
    quiet: bool = False


class Watch:
    """Watch over one folder: scores what appears, rewrites the report, ends when it falls idle."""

    def __init__(
        self,
        plan: Plan,
        supervisor: Supervisor[Tomogram, Score],
        results: Results,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set up the watch; the folder is not read yet.

        Args:
            plan: settings of the watch.
            supervisor: scores tomograms.
            results: stores the records.
            events: events of the folder.
            clock: monotonic clock, seconds.
        """
        self._plan = plan
        self._supervisor = supervisor
        self._results = results
        self._events = events
        self._clock = clock
        now = clock()
        self._waiting = Waiting(plan.settle_s, now)
        self._active = now
        self._looked = now
        self._next_look = now
        self._next_refresh = now
        self._is_fresh = False
        self._can_look = True
        self._fault: str | None = None

    def run(self, check: Check) -> None:
        """Watch until the folder has not changed for the idle time of the plan.

        Args:
            check: called several times a second; an exception that it raises ends the watch.

        Raises:
            StartError: results cannot be written, or the scoring process does not start.
        """
        while True:
            check()
            now = self._clock()
            if now >= self._next_look:
                self._list_folder(now)
            file = self._waiting.next(self._clock())
            if file is not None:
                self._score(*file, check)
            if not self._is_fresh and self._clock() >= self._next_refresh:
                self._try_to_refresh()
            if file is None:
                if self._is_over():
                    break
                self._wait(check)
        for path, state in self._waiting.incomplete():
            self._score(path, state, check)

    def refresh(self, is_last: bool = False) -> None:
        """Write the CSV file and the report.

        Args:
            is_last: include quality maps and detailed pictures, which make the report large.

        Raises:
            StartError: they cannot be written.
        """
        begin = self._clock()
        self._results.write_csv()
        records = list(self._results.records.values())
        metrics = {r.ts_id: self._results.metrics.of(r.path) for r in records if r.path}
        write_report(
            records,
            os.path.join(self._plan.output, REPORT),
            folders=[os.path.join(self._plan.output, PICTURES)],
            maps=[self._plan.maps] if self._plan.maps and is_last else [],
            title=f"TomoScore of {self._plan.folder}",
            facts={ts_id: metrics_.facts for ts_id, metrics_ in metrics.items() if metrics_},
            with_details=is_last,
        )
        self._is_fresh = True
        end = self._clock()
        self._next_refresh = end + max(REFRESH_S, REFRESH_RATIO * (end - begin))

    def _try_to_refresh(self) -> None:
        """Write CSV file and report; on failure print the reason, and try again later."""
        try:
            self.refresh()
            self._fault = None
        except StartError as error:
            self._next_refresh = self._clock() + REFRESH_S
            if self._fault != str(error):
                self._fault = str(error)
                notify(f"{error}; the watch goes on")

    def _list_folder(self, now: float) -> None:
        """List the folder; one that cannot be read now is listed again later."""
        plan = self._plan
        files = states_in(plan.folder, plan.pattern, plan.exclude, plan.maps)
        if files is not None:
            self._waiting.update(files, self._results.scored_state, now)
        if self._can_look != (files is not None) and not plan.quiet:
            state = "can be read again" if files is not None else "cannot be read now; trying again"
            notify(f"{plan.folder}: {state}")
        self._can_look = files is not None
        self._looked = self._clock()
        self._next_look = self._looked + plan.poll_s

    def _score(self, path: str, state: State, check: Check) -> None:
        """Score a file, unless it was removed or changed meanwhile."""
        if state_of(path) == state:
            ts_id = self._results.id_for(path)
            tomogram = Tomogram(ts_id, path, self._voxel_size(path))
            record = self._supervisor.process(tomogram, check=check)
            self._active = self._clock()
        if state_of(path) != state:
            self._list_folder(self._clock())
            return
        self._results.add(record, path, state)
        self._waiting.forget(path)
        self._is_fresh = False
        if not self._plan.quiet:
            notify(self._line(record))

    def _voxel_size(self, path: str) -> float | None:
        """Voxel size of the plan, or of the file name of WarpTools if the header differs."""
        size, file = self._plan.voxel_size_angstrom, warp_file(path)
        return file.voxel_size_angstrom if size is None and file is not None else size

    def _line(self, record: Score) -> str:
        """A record in a line: "[12] TS_03_Vol: TomoScore 2.41 (24 nm), 2.1 s; AreTomo3: ..."."""
        number = f"[{len(self._results.records)}] {record.ts_id}"
        if record.error is not None:
            return f"{number}: failed: {record.error}"
        metrics = self._results.metrics.of(record.path) if record.path else None
        more = f"; {metrics.summary_text()}" if metrics and metrics.facts else ""
        return f"{number}: {score_text(record)}, {record.seconds:.1f} s{more}"

    def _is_over(self) -> bool:
        idle_s = self._plan.idle_s
        last = max(self._active, self._waiting.changed)
        return idle_s is not None and self._clock() - last >= idle_s

    def _wait(self, check: Check) -> None:
        """Wait for an event, for a file to become complete, or for the next listing."""
        begin = self._clock()
        until = begin + self._waiting.wait_s(begin, max(0.0, self._next_look - begin))
        while self._clock() < until:
            check()
            if self._events.wait(min(CHECK_S, max(0.0, until - self._clock()))):
                self._next_look = min(self._next_look, self._looked + LOOK_S)
                until = min(until, self._next_look)
            if self._is_over():
                return

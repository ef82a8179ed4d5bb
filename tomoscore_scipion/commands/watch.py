# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore watch`: from the arguments to a running session and its end."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import nullcontext

from tomoscore_scipion.calibration.calibration import read_calibration
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.exit_status import ExitStatus
from tomoscore_scipion.records.record import FAILED
from tomoscore_scipion.records.terminal import notify
from tomoscore_scipion.running import stopping
from tomoscore_scipion.running.scoring import Scoring
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.session.events import Events
from tomoscore_scipion.session.files import HALVES
from tomoscore_scipion.session.results import Results
from tomoscore_scipion.session.server import LivePage
from tomoscore_scipion.session.session import PICTURES, Plan, Watch

SECONDS_PER_MINUTE = 60.0


def main(args: Namespace) -> int:
    """Watch a folder.

    Returns:
        Exit status.

    Raises:
        StartError: the watch cannot begin, or results cannot be written.
    """
    plan = _plan_of(args)
    if not os.path.isdir(plan.folder):
        raise StartError(f"{plan.folder}: expected a folder to watch, found none: make it first")
    calibration = read_calibration(args.calibration) if args.calibration else None
    work = Scoring(os.path.join(plan.output, PICTURES), plan.maps, calibration)
    work.products.prepare()
    with stopping.as_interrupt():
        supervisor = Supervisor(
            work, args.weights, args.device, args.threads, args.timeout, args.debug
        )
        with LivePage(plan.output, args.serve) if args.serve else nullcontext() as page:
            if page is not None and not plan.quiet:
                notify(f"the report is shown at {page.address}")
            with supervisor:
                made_by = work.made_by(supervisor.model)
                with Results(plan.output, made_by, plan.voxel_size_angstrom) as results:
                    return _watch(plan, supervisor, results)


def _plan_of(args: Namespace) -> Plan:
    return Plan(
        folder=args.folder,
        output=args.output,
        pattern=args.pattern,
        exclude=HALVES if args.exclude is None else args.exclude,
        settle_s=args.settle,
        poll_s=args.poll,
        idle_s=None if args.idle is None else SECONDS_PER_MINUTE * args.idle,
        voxel_size_angstrom=args.voxel_size,
        maps=args.map,
        quiet=args.quiet,
    )


def _watch(plan: Plan, supervisor: Supervisor, results: Results) -> int:
    """Watch until the end of the session or a stop; the last report has all pictures."""
    stopped = False
    with Events(plan.folder) as events:
        watch = Watch(plan, supervisor, results, events)
        if not plan.quiet:
            notify(*supervisor.notices)
            _announce(plan, results, events)
        try:
            with stopping.deferred() as check:
                watch.run(check)
        except KeyboardInterrupt:
            stopped = True
        watch.refresh(is_last=True)
    if not plan.quiet:
        failed = sum(record.status == FAILED for record in results.records.values())
        how = "stopped" if stopped else "nothing new came"
        count = f"{len(results.records)} tomograms, {failed} of them failed"
        notify(f"{how}: {count}; results are in {plan.output}")
    return ExitStatus.STOPPED if stopped else ExitStatus.DONE


def _announce(plan: Plan, results: Results, events: Events) -> None:
    lines = [f"watching {plan.folder} for {plan.pattern}; Ctrl-C ends it"]
    if results.records:
        lines.append(f"{len(results.records)} tomograms are in {plan.output} already")
    if events.why_not:
        why = f"no events of the file system ({events.why_not})"
        lines.append(f"{why}: looking every {plan.poll_s:g} s")
    notify(*lines)

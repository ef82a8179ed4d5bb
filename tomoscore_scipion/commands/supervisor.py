# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor of the engine, set up by the options of a command."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.running.work import ItemType, RecordType, Work


def supervisor_of(
    args: Namespace, work: Work[ItemType, RecordType], weights: str | None, device: str
) -> Supervisor[ItemType, RecordType]:
    """The supervisor for a work; its process is not started yet.

    Args:
        args: threads, timeout and debug of the command line.
        work: how an item is processed.
        weights: path of the weights; None for the shipped weights.
        device: "auto", "cpu" or "cuda:N".
    """
    return Supervisor(work, weights, device, args.threads, args.timeout, args.debug)

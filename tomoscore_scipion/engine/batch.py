# SPDX-License-Identifier: GPL-3.0-or-later
"""Scoring one tomogram after another; one that fails does not stop the others."""

from __future__ import annotations

from typing import Callable, Sequence

from tomoscore_scipion.engine.job import Tomogram
from tomoscore_scipion.engine.progress import Silent
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.stopping import noted
from tomoscore_scipion.engine.supervisor import Supervisor


def run(
    supervisor: Supervisor,
    tomograms: Sequence[Tomogram],
    on_record: Callable[[Score], None],
    progress: Silent | None = None,
) -> None:
    """Score tomograms in their order with one model.

    Args:
        supervisor: has them scored.
        tomograms: what to score.
        on_record: called with each record as soon as it is there, scored or failed.
        progress: shows how far it is; nothing is shown when None.

    Raises:
        KeyboardInterrupt: the user stopped it; `on_record` has had all finished records.
        StartError: scoring cannot go on; `on_record` has had all finished records.
    """
    progress = progress or Silent()
    try:
        with noted() as check:
            for tomogram in tomograms:
                progress.start(tomogram.ts_id)
                record = supervisor.score(tomogram, progress, check)
                on_record(record)
                progress.finish(record)
    finally:
        progress.close()

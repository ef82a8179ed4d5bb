# SPDX-License-Identifier: GPL-3.0-or-later
"""Scoring one tomogram after another; one that fails does not stop the others."""

from __future__ import annotations

import sys
import time
import traceback
from typing import TYPE_CHECKING, Callable, Sequence

from tomoscore_scipion import __version__
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.job import Tomogram
from tomoscore_scipion.engine.progress import Silent
from tomoscore_scipion.engine.record import Score

if TYPE_CHECKING:
    from tomoscore_scipion.engine.scorer import Scorer


def run(
    scorer: Scorer,
    tomograms: Sequence[Tomogram],
    on_record: Callable[[Score], None],
    progress: Silent | None = None,
    debug: bool = False,
) -> None:
    """Score tomograms in their order with one model.

    Args:
        scorer: the loaded model.
        tomograms: what to score.
        on_record: called with each record as soon as it is there, scored or failed.
        progress: shows how far it is; nothing is shown when None.
        debug: print the traceback of what made a tomogram fail to standard error.

    Raises:
        KeyboardInterrupt: the user stopped it; `on_record` has had all finished records.
    """
    progress = progress or Silent()
    try:
        for tomogram in tomograms:
            progress.start(tomogram.ts_id)
            record = score_one(scorer, tomogram, progress, debug)
            on_record(record)
            progress.finish(record)
    finally:
        progress.close()


def score_one(scorer: Scorer, tomogram: Tomogram, progress: Silent, debug: bool = False) -> Score:
    """Score one tomogram; whatever goes wrong with it becomes a failed record with the reason."""
    start = time.perf_counter()
    try:
        return scorer.score(
            tomogram.path,
            voxel_size_angstrom=tomogram.voxel_size_angstrom,
            ts_id=tomogram.ts_id,
            progress=progress.slices,
            z_range=tomogram.z_range,
        )
    except Exception as error:  # the one boundary: the other tomograms must still be scored
        if debug:
            traceback.print_exc(file=sys.stderr)
        return Score.failed(
            ts_id=tomogram.ts_id,
            path=tomogram.path,
            error=reason_of(error),
            model=scorer.model,
            engine_version=__version__,
            device=scorer.device,
            seconds=round(time.perf_counter() - start, 3),
        )


def reason_of(error: Exception) -> str:
    """Why a tomogram failed, for its record: our own message, or type and message of a bug."""
    if isinstance(error, TomogramError) and str(error):
        return str(error)
    if isinstance(error, MemoryError):
        return f"MemoryError: the memory did not suffice {error}".rstrip()
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)"

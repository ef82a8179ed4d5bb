# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interface of the engine, which works without Scipion.

`Scorer.load().score("tomogram.mrc")` reads a tomogram, predicts its resolvability curve and returns
the record with its score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tomoscore_scipion.records.errors import StartError, TomogramError, TomoScoreError

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer
    from tomoscore_scipion.records.record import Score

__all__ = ["Score", "Scorer", "StartError", "TomoScoreError", "TomogramError"]


def __getattr__(name: str) -> Any:
    """Import Scorer and Score on demand: `tomoscore --help` must not wait for torch."""
    if name == "Scorer":
        from tomoscore_scipion.model.scorer import Scorer

        return Scorer
    if name == "Score":
        from tomoscore_scipion.records.record import Score

        return Score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: from a tomogram's file to its score. It knows files, numpy and torch, not Scipion.

path -> volume -> canonical slices -> network -> resolvability curve -> score -> record.
`Scorer.load().score("tomogram.mrc")` goes all the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tomoscore_scipion.records.errors import StartError, TomogramError, TomoScoreError

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer
    from tomoscore_scipion.records.record import Score

__all__ = ["Score", "Scorer", "StartError", "TomoScoreError", "TomogramError"]


def __getattr__(name: str) -> Any:
    """Scorer and Score on demand: `tomoscore --help` must not wait for torch."""
    if name == "Scorer":
        from tomoscore_scipion.model.scorer import Scorer

        return Scorer
    if name == "Score":
        from tomoscore_scipion.records.record import Score

        return Score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

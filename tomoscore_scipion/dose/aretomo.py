# SPDX-License-Identifier: GPL-3.0-or-later
"""AreTomo's alignment (.aln) by the package alnfile: angles and transforms of the aligned views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomoscore_scipion.engine.errors import TomogramError


@dataclass(frozen=True)
class AlnSeries:
    """The aligned views.

    Attributes:
        views: which images of the stack, 0-based, (n_aligned,); dark ones are left out.
        angles_deg: (n_aligned,).
        transforms: (n_aligned, 2, 3) in IMOD's form, in pixels of the stack.
    """

    views: np.ndarray
    angles_deg: np.ndarray
    transforms: np.ndarray


def read_aln(path: str, n_views: int) -> AlnSeries:
    """Read AreTomo's global alignment of a stack of `n_views` images.

    Raises:
        TomogramError: it cannot be read, or is that of another stack.
    """
    import alnfile
    from alnfile.data_model import AlnData
    from pydantic import ValidationError

    try:
        content = AlnData.from_file(Path(path))
    except OSError as error:
        raise TomogramError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValidationError, ValueError, IndexError) as error:
        raise TomogramError(f"{path}: expected AreTomo's .aln alignment: {error}") from error
    table = alnfile.global_alignments_to_dataframe(content.GlobalAlignments)
    dark = {frame.section_idx for frame in content.DarkFrames}
    raw = content.RawSize[2]
    if raw != n_views or len(table) + len(dark) != n_views:
        raise TomogramError(
            f"{path}: expected the alignment of the {n_views} images of this stack, got "
            f"{len(table)} aligned and {len(dark)} dark ones of {raw}; give the stack that was "
            "aligned, with all its images"
        )
    return AlnSeries(
        views=_sections(table["sec"].to_numpy(), dark, n_views, path),
        angles_deg=table["tilt"].to_numpy(dtype=np.float64),
        transforms=alnfile.df_to_xf(table),
    )


def _sections(sections: np.ndarray, dark: set[int], n_views: int, path: str) -> np.ndarray:
    """Images of the stack; some versions count sections without the dark ones."""
    kept = np.array([view for view in range(n_views) if view not in dark], dtype=int)
    if set(sections.tolist()) == set(kept.tolist()):
        return sections.astype(int)
    if sorted(sections.tolist()) == list(range(len(kept))):
        return kept[sections]
    raise TomogramError(
        f"{path}: expected each image that is not dark once in the column SEC, got "
        f"{sorted(sections.tolist())[:8]} ..."
    )

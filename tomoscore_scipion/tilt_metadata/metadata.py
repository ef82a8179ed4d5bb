# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the metadata files of a tilt series, and match them with one another by their angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.tilt_metadata.angle_file import AngleFile, read_angle_file
from tomoscore_scipion.tilt_metadata.aretomo import AlnSeries, read_aln
from tomoscore_scipion.tilt_metadata.mdoc.series import MdocSeries, read_mdoc
from tomoscore_scipion.tilt_metadata.relion.series import RelionSeries, read_relion_star
from tomoscore_scipion.tilt_metadata.row_assignment import (
    KnownAngles,
    RowAssignment,
    assign_mdoc,
    assign_star,
    assign_warp,
    check_agree,
    in_order,
)
from tomoscore_scipion.tilt_metadata.warp.series import WarpSeries, read_warp_xml


@dataclass(frozen=True)
class Metadata:
    """Content of the files, and the assignment of their rows to images.

    Attributes:
        n_views: number of images in the stack.
        shape_yx: shape of the images.
        tlt: text file of tilt angles.
        aln: alignment of AreTomo.
        warp: metadata of Warp.
        star: metadata of RELION.
        mdoc: metadata of SerialEM.
        known_angles: angles of the images by which rows are assigned; None if no file has them.
        warp_rows: assignment of the rows of `warp`.
        star_rows: assignment of the rows of `star`.
        mdoc_rows: assignment of the rows of `mdoc`.
        warnings: warnings for the user.
    """

    n_views: int
    shape_yx: tuple[int, int]
    tlt: AngleFile | None
    aln: AlnSeries | None
    warp: WarpSeries | None
    star: RelionSeries | None
    mdoc: MdocSeries | None
    known_angles: KnownAngles | None
    warp_rows: RowAssignment
    star_rows: RowAssignment
    mdoc_rows: RowAssignment
    warnings: tuple[str, ...]


def read_metadata(sources: Sources, stack_shape_zyx: tuple[int, int, int]) -> Metadata:
    """Read all files that are named, and assign their rows to images.

    Args:
        sources: paths of the files.
        stack_shape_zyx: shape of the stack: views, height, width.

    Raises:
        TomogramError: a file cannot be read, or the files are not of one tilt series.
    """
    n_views, n_y, n_x = stack_shape_zyx
    tlt = read_angle_file(sources.tlt, n_views, sources.stack) if sources.tlt else None
    aln = read_aln(sources.aln, stack_shape_zyx) if sources.aln else None
    warp = star = mdoc = None
    known_angles, warnings = _known_angles(sources, tlt, aln)
    warp_rows = star_rows = mdoc_rows = in_order(n_views)
    if sources.warp_xml:
        warp = read_warp_xml(sources.warp_xml, n_views, sources.convention)
        warp_rows = assign_warp(sources.warp_xml, warp.angles_deg, n_views, known_angles)
    if sources.star:
        star = read_relion_star(sources.star, sources.convention)
        star_rows = assign_star(star, n_views, known_angles)
    if sources.mdoc:
        mdoc = read_mdoc(sources.mdoc)
        mdoc_rows = assign_mdoc(mdoc, n_views, known_angles)
    for assignment in (warp_rows, star_rows, mdoc_rows):
        warnings = (*warnings, *assignment.warnings)
    return Metadata(
        n_views=n_views,
        shape_yx=(n_y, n_x),
        tlt=tlt,
        aln=aln,
        warp=warp,
        star=star,
        mdoc=mdoc,
        known_angles=known_angles,
        warp_rows=warp_rows,
        star_rows=star_rows,
        mdoc_rows=mdoc_rows,
        warnings=warnings,
    )


def _known_angles(
    sources: Sources, tlt: AngleFile | None, aln: AlnSeries | None
) -> tuple[KnownAngles | None, tuple[str, ...]]:
    """Angles in the order of the stack, from .tlt or .aln, and warnings."""
    of_tlt = of_aln = None
    warnings: tuple[str, ...] = ()
    if tlt is not None:
        of_tlt = KnownAngles(tlt.path, np.arange(len(tlt.angles_deg)), tlt.angles_deg)
    if aln is not None:
        of_aln = KnownAngles(str(sources.aln), aln.views, aln.angles_deg)
        warnings = aln.warnings
    if of_tlt is not None and of_aln is not None:
        warnings = (*warnings, *check_agree(of_tlt, of_aln))
    return of_tlt or of_aln, warnings

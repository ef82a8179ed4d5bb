# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a tilt series with its doses from its files.

Angles come from the first given file of .tlt, .aln (AreTomo), star file (RELION), XML (Warp) and
.mdoc (SerialEM). The alignment comes from .xf, .aln, star file or XML. Doses come from the file
that has them, or else from further columns of the .tlt.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from tomoscore_scipion.dose.subsets import MIN_VIEWS
from tomoscore_scipion.reading.volume import open_stack
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.dose_file import read_doses
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tilt_metadata.geometry_checks import (
    MIN_RANGE_DEG,
    check_axis_unit,
    check_large_shifts,
    check_not_doses,
    check_transforms,
    on_one_side,
)
from tomoscore_scipion.tilt_metadata.imod_files import read_transforms
from tomoscore_scipion.tilt_metadata.metadata import Metadata, read_metadata
from tomoscore_scipion.tilt_metadata.optics import Optics
from tomoscore_scipion.tilt_metadata.row_assignment import NO_ROW, KnownAngles, RowAssignment
from tomoscore_scipion.tomography.dose_series import DoseSeries
from tomoscore_scipion.tomography.tilt_series import TiltSeries

UNALIGNED = "no alignment given: the stack is taken as aligned, its tilt axis along y"


def read_series(sources: Sources) -> DoseSeries:
    """Read all files of a tilt series except the images.

    Raises:
        TomogramError: a file cannot be read, the files are not of one tilt series, or angles or
            doses are missing.
    """
    with open_stack(sources.stack, sources.pixel_angstrom) as stack:
        shape, pixel, said = stack.shape_zyx, stack.voxel_size_angstrom, stack.warnings
    files = read_metadata(sources, shape)
    path, angles = _angles(sources, files)
    transforms, warnings = _transforms(sources, files, pixel)
    used = _used(sources, files)
    exposures, dose_warnings = _exposures(sources, files, used)
    if np.ptp(angles[used]) < MIN_RANGE_DEG:
        raise TomogramError(
            f"{path}: expected different tilt angles, got {angles[used].min():g} to "
            f"{angles[used].max():g} degrees for all views that are in use"
        )
    if on_one_side(angles):
        dose_warnings = (*dose_warnings, *check_not_doses(path, angles[used], exposures))
    return DoseSeries(
        tilts=TiltSeries(Path(sources.stack), pixel, angles[used], transforms[used], used),
        exposures=exposures,
        optics=_optics(files, used),
        stack_shape_zyx=shape,
        warnings=(*said, *warnings, *files.warnings, *dose_warnings),
    )


def _angles(sources: Sources, files: Metadata) -> tuple[str, np.ndarray]:
    """Tilt angles of all images, interpolated for images that no file lists.

    Returns:
        File of the angles, and angles in degrees, (n_views,).
    """
    known = files.known_angles
    if known is None and files.star is not None:
        rows = files.star_rows.rows
        images = np.flatnonzero(rows >= 0)
        known = KnownAngles(files.star.path, images, files.star.angles_deg[rows[images]])
    if known is not None:
        order = np.argsort(known.images)
        stack = np.arange(files.n_views)
        return known.path, np.interp(stack, known.images[order], known.angles_deg[order])
    if files.warp is not None:
        return str(sources.warp_xml), files.warp.angles_deg
    if files.mdoc is not None:
        return files.mdoc.path, files.mdoc.angles_deg[files.mdoc_rows.rows]
    raise TomogramError(
        f"{sources.stack}: no tilt angles: give them (--tlt), or metadata that has them "
        "(--tilt-series-star, --warp-xml, --mdoc, --aln)"
    )


def _transforms(
    sources: Sources, files: Metadata, pixel: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Transforms of all images, (n_views, 2, 3) in pixels, and warnings."""
    shape_yx = files.shape_yx
    if sources.xf:
        xf_transforms = read_transforms(sources.xf, files.n_views, sources.stack, shape_yx)
        return xf_transforms, check_large_shifts(sources.xf, xf_transforms, max(shape_yx))
    transforms = np.tile(np.eye(2, 3), (files.n_views, 1, 1))
    path, assignment, row_transforms = _alignment(sources, files, pixel)
    if row_transforms is None:
        return transforms, (UNALIGNED,)
    images = np.flatnonzero(assignment.rows >= 0)
    transforms[images] = row_transforms[assignment.rows[images]]
    check_transforms(path, transforms, shape_yx)
    return transforms, (
        *check_large_shifts(path, row_transforms, max(shape_yx)),
        *check_axis_unit(path, row_transforms),
        *assignment.warn_of_shifts(path, row_transforms, images),
    )


def _alignment(
    sources: Sources, files: Metadata, pixel: float
) -> tuple[str, RowAssignment, np.ndarray | None]:
    """Alignment of AreTomo, RELION or Warp: file, assignment and transforms of its rows."""
    if files.aln is not None:
        rows = np.full(files.n_views, NO_ROW)
        rows[files.aln.views] = np.arange(len(files.aln.views))
        return str(sources.aln), RowAssignment(rows), files.aln.transforms
    if files.star is not None:
        return files.star.path, files.star_rows, files.star.transforms(pixel)
    if files.warp is not None:
        return str(sources.warp_xml), files.warp_rows, files.warp.transforms(pixel)
    return "", files.star_rows, None


def _exposures(
    sources: Sources, files: Metadata, used: np.ndarray
) -> tuple[Exposures, tuple[str, ...]]:
    """Doses of the images in use, and warnings."""
    if sources.doses:
        doses_in_file = read_doses(sources.doses, sources.convention, files.n_views, sources.stack)
        return doses_in_file.select(used), _other_order(files, used, doses_in_file.select(used))
    assignment, path = files.warp_rows, str(sources.warp_xml)
    row_doses = files.warp.exposures if files.warp is not None else None
    if row_doses is None and files.star is not None:
        assignment, path, row_doses = files.star_rows, files.star.path, files.star.exposures
    if row_doses is None and files.mdoc is not None:
        assignment, path, row_doses = files.mdoc_rows, files.mdoc.path, files.mdoc.exposures
    if row_doses is not None:
        doses = row_doses.select(assignment.rows[used])
        dose_warnings = assignment.warn_of_doses(path, row_doses, used)
        return doses, (*dose_warnings, *_other_order(files, used, doses))
    tlt_doses = files.tlt.exposures(sources.convention) if files.tlt is not None else None
    if files.tlt is not None and tlt_doses is not None:
        return tlt_doses.select(used), files.tlt.warnings
    only_order = files.tlt is not None and files.tlt.order is not None
    raise TomogramError(
        f"{sources.stack}: the doses of its views are not known"
        + (f", of which {sources.tlt} has the order of acquisition only" if only_order else "")
        + ": give a text file (--doses), one line per view with the dose before it and the dose of "
        "it, RELION's star file of the tilt series (--tilt-series-star), Warp's XML (--warp-xml) "
        "or SerialEM's .mdoc (--mdoc)"
    )


def _other_order(files: Metadata, used: np.ndarray, doses: Exposures) -> tuple[str, ...]:
    """Warn if the order of acquisition in the .tlt differs from that of the doses."""
    if files.tlt is None or files.tlt.order is None:
        return ()
    views = np.flatnonzero(np.argsort(files.tlt.order[used]) != doses.order)
    if not views.size:
        return ()
    return (
        f"{os.path.basename(files.tlt.path)}: its order of acquisition is another than that of the "
        f"{doses.convention}; that of the doses is taken",
    )


def _optics(files: Metadata, used: np.ndarray) -> Optics | None:
    """Contrast transfer of the images in use, from Warp or RELION."""
    optics, assignment = None, files.warp_rows
    if files.warp is not None:
        optics = files.warp.optics
    elif files.star is not None:
        optics, assignment = files.star.optics, files.star_rows
    if optics is None:
        return None
    return replace(optics, defocus_nm=optics.defocus_nm[assignment.rows[used]])


def _used(sources: Sources, files: Metadata) -> np.ndarray:
    """Indices of the images in use: not excluded, dark, unused by Warp, or without a row."""
    n_views = files.n_views
    beyond = [view for view in sources.excluded if not 0 <= view < n_views]
    if beyond:
        raise TomogramError(
            f"{sources.stack}: excluded views: expected 0 to {n_views - 1}, got {beyond[0]}"
        )
    used = np.ones(n_views, dtype=bool)
    used[list(sources.excluded)] = False
    if files.aln is not None:
        used &= np.isin(np.arange(n_views), files.aln.views)
    if files.warp is not None:
        rows = files.warp_rows.rows
        used &= (rows >= 0) & files.warp.used[rows]
    for assignment in (files.star_rows, files.mdoc_rows):
        used &= assignment.rows >= 0
    if used.sum() < MIN_VIEWS:
        raise TomogramError(
            f"{sources.stack}: expected at least {MIN_VIEWS} views that are in use, got "
            f"{used.sum()} of {n_views}; the others are left out by " + _leaving_out(sources)
        )
    return np.flatnonzero(used)


def _leaving_out(sources: Sources) -> str:
    """Files that can exclude images, for the message."""
    files = (sources.aln, sources.warp_xml, sources.star, sources.mdoc)
    return " or ".join([*(path for path in files if path), "the list of those to exclude"])

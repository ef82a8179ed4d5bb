# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files make a tilt series with its doses, and what each is asked for.

Angles come from the first there is of: .tlt, AreTomo's .aln, Warp's XML, SerialEM's .mdoc; the
alignment from .xf, .aln or Warp's XML; doses from the one file of doses that is given.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tomoscore_scipion.dose.aretomo import AlnSeries, read_aln
from tomoscore_scipion.dose.dose_file import read_doses
from tomoscore_scipion.dose.exposures import Exposures
from tomoscore_scipion.dose.mdoc import MdocSeries, read_mdoc
from tomoscore_scipion.dose.series import DoseSeries
from tomoscore_scipion.dose.source_files import Sources
from tomoscore_scipion.dose.warp_xml import WarpSeries, read_warp_xml
from tomoscore_scipion.engine.errors import TomogramError
from tomoscore_scipion.engine.tilt_series import TiltSeries, read_angles, read_transforms
from tomoscore_scipion.engine.volume import open_stack

UNALIGNED = "no alignment given: the stack is taken as aligned, its tilt axis along y"


def read_series(sources: Sources) -> DoseSeries:
    """Read all but the images.

    Raises:
        TomogramError: a file cannot be read, they do not belong together, or something is missing.
    """
    with open_stack(sources.stack, sources.pixel_angstrom) as stack:
        shape, pixel, said = stack.shape_zyx, stack.voxel_size_angstrom, stack.warnings
    n_views = shape[0]
    warp = None
    if sources.warp_xml:
        warp = read_warp_xml(sources.warp_xml, n_views, sources.convention)
    mdoc = read_mdoc(sources.mdoc) if sources.mdoc else None
    aln = read_aln(sources.aln, n_views) if sources.aln else None
    angles = _angles(sources, n_views, aln, warp, mdoc)
    transforms, warnings = _transforms(sources, n_views, pixel, aln, warp)
    series = DoseSeries(
        tilts=TiltSeries(Path(sources.stack), pixel, angles, transforms, np.arange(n_views)),
        exposures=_exposures(sources, n_views, angles, warp, mdoc),
        optics=warp.optics if warp else None,
        stack_shape_zyx=shape,
        warnings=(*said, *warnings),
    )
    return _without_excluded(series, sources, n_views, aln, warp)


def _angles(
    sources: Sources,
    n_views: int,
    aln: AlnSeries | None,
    warp: WarpSeries | None,
    mdoc: MdocSeries | None,
) -> np.ndarray:
    """Tilt angles of all views; of dark views of an .aln the nearest known is good enough."""
    if sources.tlt:
        return read_angles(sources.tlt, n_views, sources.stack)
    if aln is not None:
        order = np.argsort(aln.views)
        known, values = aln.views[order], aln.angles_deg[order]
        return np.interp(np.arange(n_views), known, values)
    if warp is not None:
        return warp.angles_deg
    if mdoc is not None:
        if len(mdoc.angles_deg) != n_views:
            raise TomogramError(
                f"{sources.mdoc}: expected {n_views} sections, one per image of {sources.stack}, "
                f"got {len(mdoc.angles_deg)}; give the angles of the stack (--tlt)"
            )
        return mdoc.angles_deg
    raise TomogramError(
        f"{sources.stack}: no tilt angles: give them (--tlt), or metadata that has them "
        "(--warp-xml, --mdoc, --aln)"
    )


def _transforms(
    sources: Sources, n_views: int, pixel: float, aln: AlnSeries | None, warp: WarpSeries | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Transforms of all views, (n_views, 2, 3), and a warning where there is no alignment."""
    if sources.xf:
        return read_transforms(sources.xf, n_views, sources.stack), ()
    identity = np.tile(np.eye(2, 3), (n_views, 1, 1))
    if aln is not None:
        identity[aln.views] = aln.transforms
        return identity, ()
    aligned = warp.transforms(pixel) if warp is not None else None
    if aligned is not None:
        return aligned, ()
    return identity, (UNALIGNED,)


def _exposures(
    sources: Sources,
    n_views: int,
    angles: np.ndarray,
    warp: WarpSeries | None,
    mdoc: MdocSeries | None,
) -> Exposures:
    if sources.doses:
        return read_doses(sources.doses, sources.convention, n_views, sources.stack)
    if warp is not None:
        return warp.exposures
    if mdoc is not None and sources.mdoc:
        return mdoc.in_order_of(angles, sources.mdoc)
    raise TomogramError(
        f"{sources.stack}: the doses of its views are not known: give a text file (--doses), one "
        "line per view with the dose before it and the dose of it, Warp's XML (--warp-xml) or "
        "SerialEM's .mdoc (--mdoc)"
    )


def _without_excluded(
    series: DoseSeries,
    sources: Sources,
    n_views: int,
    aln: AlnSeries | None,
    warp: WarpSeries | None,
) -> DoseSeries:
    """The series without excluded views, views that Warp does not use, and dark ones."""
    beyond = [view for view in sources.excluded if not 0 <= view < n_views]
    if beyond:
        raise TomogramError(
            f"{sources.stack}: excluded views: expected 0 to {n_views - 1}, got {beyond[0]}"
        )
    left_out = set(sources.excluded)
    if warp is not None:
        left_out |= set(np.flatnonzero(~warp.used).tolist())
    if aln is not None:
        left_out |= set(range(n_views)) - set(aln.views.tolist())
    kept = series.without(left_out)
    if len(kept.tilts.views) < 3:
        raise TomogramError(
            f"{sources.stack}: expected at least 3 views that are in use, got "
            f"{len(kept.tilts.views)} of {n_views}"
        )
    if np.ptp(kept.tilts.angles_deg) == 0:
        raise TomogramError(
            f"{sources.stack}: expected different tilt angles, got {kept.tilts.angles_deg[0]:g} "
            "degrees for all views; is the file of angles (--tlt) the right one?"
        )
    return kept

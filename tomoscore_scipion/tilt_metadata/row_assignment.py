# SPDX-License-Identifier: GPL-3.0-or-later
"""Assign the rows of a metadata file to the images of the stack.

The angles of the stack, from a .tlt or an .aln of AreTomo, are compared with those of each other
file. Its rows may be in another order, have the opposite sign, differ by a pretilt, or be more than
the images. Files with angles that do not fit are refused; assumptions give warnings.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_match import (
    MAX_DIFFERENCE_DEG,
    MAX_OFFSET_DEG,
    Match,
    match_angles,
)
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tilt_metadata.mdoc.series import MdocSeries
from tomoscore_scipion.tilt_metadata.relion.series import RelionSeries

NO_ROW = -1
MAX_DOSE_DIFFERENCE = 1.5
"""Largest difference of doses between two possible orders without a warning, in doses of a view."""
MAX_SHIFT_DIFFERENCE_PX = 1.0
"""Largest difference of shifts between two possible orders without a warning."""


@dataclass(frozen=True)
class KnownAngles:
    """Tilt angles of images of the stack.

    Attributes:
        path: file of the angles.
        images: indices of the images, from 0, (n_known,).
        angles_deg: angles in degrees, (n_known,).
    """

    path: str
    images: np.ndarray
    angles_deg: np.ndarray


@dataclass(frozen=True)
class RowAssignment:
    """The assignment of the rows of a file to images.

    Attributes:
        rows: row of each image, (n_views,); `NO_ROW` if the file has none.
        warnings: assumptions, for the user.
        rivals: other assignments that fit equally well, each like `rows`.
    """

    rows: np.ndarray
    warnings: tuple[str, ...] = ()
    rivals: tuple[np.ndarray, ...] = ()

    def warn_of_shifts(
        self, path: str, transforms: np.ndarray, images: np.ndarray
    ) -> tuple[str, ...]:
        """Warn if another assignment gives other shifts.

        Args:
            path: the file.
            transforms: transforms of its rows, (n_rows, 2, 3), in pixels.
            images: indices of the images to compare.
        """
        shifts = transforms[self.rows[images], :, 2]
        rivals = [transforms[rival[images], :, 2] for rival in self.rivals]
        if all(np.abs(shifts - rival).max() <= MAX_SHIFT_DIFFERENCE_PX for rival in rivals):
            return ()
        return (
            f"{os.path.basename(path)}: its angles fit those of the stack in more than one "
            "order, with other shifts of the images; the plainest order is taken: check that its "
            "views are those of the stack, or give the alignment in a text file (--xf)",
        )

    def warn_of_doses(self, path: str, exposures: Exposures, images: np.ndarray) -> tuple[str, ...]:
        """Warn if another assignment gives other doses.

        Args:
            path: the file.
            exposures: doses of its rows.
            images: indices of the images to compare.
        """
        doses = exposures.before[self.rows[images]]
        largest = MAX_DOSE_DIFFERENCE * float(np.median(exposures.per_view))
        rivals = [exposures.before[rival[images]] for rival in self.rivals]
        if all(np.abs(doses - rival).max() <= largest for rival in rivals):
            return ()
        return (
            f"{os.path.basename(path)}: its angles fit those of the stack in another order as "
            "well, in which doses differ; the plainest order is taken: check that its views are "
            "those of the stack, or give the doses in a text file (--doses)",
        )


def in_order(n_views: int) -> RowAssignment:
    """Rows in the order of the stack."""
    return RowAssignment(np.arange(n_views))


def check_agree(known: KnownAngles, other: KnownAngles) -> tuple[str, ...]:
    """Compare two lists of angles of the same images.

    Args:
        known: angles that define the order of the stack.
        other: angles to compare with them.

    Returns:
        Warnings of a common offset, or of opposite signs.

    Raises:
        TomogramError: the angles are not of one series in one order.
    """
    _, at_known, at_other = np.intersect1d(known.images, other.images, return_indices=True)
    if len(at_known) == 0:
        return ()
    first, second = known.angles_deg[at_known], other.angles_deg[at_other]
    offsets = {sign: float(np.median(first - sign * second)) for sign in (1, -1)}
    errors = {sign: np.abs(first - sign * second - offsets[sign]) for sign in (1, -1)}
    sign = 1 if errors[1].max() <= max(MAX_DIFFERENCE_DEG, errors[-1].max()) else -1
    if errors[sign].max() > MAX_DIFFERENCE_DEG or abs(offsets[sign]) > MAX_OFFSET_DEG:
        worst = int(np.argmax(errors[1]))
        raise TomogramError(
            f"{other.path}: view {known.images[at_known][worst] + 1}: expected the angles of "
            f"{known.path}, up to a common offset and a turned sign, got {second[worst]:g} where "
            f"that has {first[worst]:g} degrees; are both of this stack, with its views in order?"
        )
    return _assumptions(other.path, known.path, sign < 0, offsets[sign], reordered=False)


def assign_warp(
    path: str, angles_deg: np.ndarray, n_views: int, known: KnownAngles | None
) -> RowAssignment:
    """Assign the rows of the metadata of Warp, which are in the order of the stack of Warp.

    Args:
        path: the file.
        angles_deg: angles of its rows in degrees, (n_views,).
        n_views: number of images in the stack.
        known: angles of the stack from another file; None if there is none.

    Raises:
        TomogramError: the angles are those of another series.
    """
    if known is None:
        return in_order(n_views)
    match = match_angles(known.angles_deg, angles_deg)
    if match is None:
        raise _do_not_fit(path, known, angles_deg)
    return _assignment_of(path, match, known, n_views, warn_of_order=True)


def assign_mdoc(mdoc: MdocSeries, n_views: int, known: KnownAngles | None) -> RowAssignment:
    """Assign the sections of an .mdoc, which are usually in the order of acquisition.

    Args:
        mdoc: content of the .mdoc.
        n_views: number of images in the stack.
        known: angles of the stack from another file; None if there is none.

    Raises:
        TomogramError: the angles are those of another series, or their number differs.
    """
    if known is None:
        rows = mdoc.stack_order(n_views)
        doubt = _warn_of_order(mdoc.path, mdoc.angles_deg[rows])
        return RowAssignment(rows, (*mdoc.warnings, *doubt))
    match = mdoc.match(known.angles_deg, known.path)
    assignment = _assignment_of(mdoc.path, match, known, n_views, warn_of_order=False)
    return RowAssignment(assignment.rows, (*mdoc.warnings, *assignment.warnings), assignment.rivals)


def _warn_of_order(path: str, angles_deg: np.ndarray) -> tuple[str, ...]:
    """Warn if sections are assigned to images in order although they are not sorted by angle."""
    steps = np.diff(angles_deg)
    if (steps >= 0).all() or (steps <= 0).all():
        return ()
    return (
        f"{os.path.basename(path)}: sections are not in the order of angles: the stack is taken to "
        "have its images in the order of the sections; give the angles of the stack (--tlt) if it "
        "has not",
    )


def assign_star(star: RelionSeries, n_views: int, known: KnownAngles | None) -> RowAssignment:
    """Assign the rows of a star file by the images that they name, by angle, or in order.

    Args:
        star: content of the star file.
        n_views: number of images in the stack.
        known: angles of the stack from another file; None if there is none.

    Raises:
        TomogramError: the rows are of another series, or cannot be assigned.
    """
    n_rows = len(star.angles_deg)
    if star.images is not None:
        return _assign_named(star, star.images, n_views, known)
    if known is not None:
        return _assign_star_by_angle(star, n_views, known)
    if n_rows != n_views:
        raise TomogramError(
            f"{star.path}: expected {n_views} rows, one per image of the stack, got {n_rows}; give "
            "the angles of the stack (--tlt), by which rows find their images"
        )
    if (np.diff(star.nominal_deg) >= 0).all():
        return in_order(n_views)
    warning = (
        f"{os.path.basename(star.path)}: rows are not in the rising order of angles, in which "
        "RELION writes stacks, and name no images of the stack: it is taken to have its images in "
        "the order of the rows; give the angles of the stack (--tlt) if it has not"
    )
    return RowAssignment(np.arange(n_views), (warning,))


def _assign_named(
    star: RelionSeries, images: np.ndarray, n_views: int, known: KnownAngles | None
) -> RowAssignment:
    if images.max() >= n_views:
        raise TomogramError(
            f"{star.path}: expected images 1 to {n_views} of the stack, got {images.max() + 1}"
        )
    rows = np.full(n_views, NO_ROW)
    rows[images] = np.arange(len(images))
    own = KnownAngles(star.path, images, star.angles_deg)
    return RowAssignment(rows, check_agree(known, own) if known is not None else ())


def _assign_star_by_angle(star: RelionSeries, n_views: int, known: KnownAngles) -> RowAssignment:
    """Assign rows by angle. If there are more images than rows, some images have no row."""
    n_rows, n_known = len(star.angles_deg), len(known.angles_deg)
    if n_rows >= n_known:
        match = match_angles(known.angles_deg, star.angles_deg, same_sign=True)
        if match is None:
            raise _do_not_fit(star.path, known, star.angles_deg)
        return _assignment_of(star.path, match, known, n_views, warn_of_order=False)
    match = match_angles(star.angles_deg, known.angles_deg, same_sign=True)
    if match is None:
        raise _do_not_fit(star.path, known, star.angles_deg)

    def rows_of(entries: np.ndarray) -> np.ndarray:
        rows = np.full(n_views, NO_ROW)
        rows[known.images[entries]] = np.arange(n_rows)
        return rows

    warnings = _assumptions(star.path, known.path, match.turned, match.offset_deg, reordered=False)
    rivals = tuple(rows_of(rival) for rival in match.rivals)
    # Doses cannot be compared with assignments that exclude other images.
    rows = rows_of(match.entries)
    alike = tuple(r for r in rivals if np.array_equal(r == NO_ROW, rows == NO_ROW))
    if len(alike) < len(rivals):
        warnings = (
            *warnings,
            f"{os.path.basename(star.path)}: which images have no row cannot be determined by "
            "angles alone; the images of the nearest angles are taken",
        )
    return RowAssignment(rows, warnings, alike)


def _assignment_of(
    path: str, match: Match, known: KnownAngles, n_views: int, warn_of_order: bool
) -> RowAssignment:
    """The assignment of a match; `warn_of_order`: warn if the order differs."""

    def rows_of(entries: np.ndarray) -> np.ndarray:
        rows = np.full(n_views, NO_ROW)
        rows[known.images] = entries
        return rows

    reordered = warn_of_order and not match.in_order
    return RowAssignment(
        rows_of(match.entries),
        _assumptions(path, known.path, match.turned, match.offset_deg, reordered),
        tuple(rows_of(rival) for rival in match.rivals),
    )


def _assumptions(
    path: str, angles_path: str, turned: bool, offset_deg: float, reordered: bool
) -> tuple[str, ...]:
    """Warnings of the assumptions with which angles fit."""
    path, angles_path = os.path.basename(path), os.path.basename(angles_path)
    warnings = []
    if turned:
        warnings.append(f"{path}: its angles have the other sign than those of {angles_path}")
    if reordered:
        warnings.append(
            f"{path}: its views run in another order than those of {angles_path}: they are put in "
            "the order of the stack by their angles"
        )
    if abs(offset_deg) > MAX_DIFFERENCE_DEG:
        warnings.append(
            f"{path}: its angles differ from those of {angles_path} by {abs(offset_deg):.1f} "
            "degrees throughout, which is taken for a pretilt"
        )
    return tuple(warnings)


def _do_not_fit(path: str, known: KnownAngles, angles_deg: np.ndarray) -> TomogramError:
    return TomogramError(
        f"{path}: expected the angles of {known.path}, up to a common offset, a turned sign and "
        f"the order, got {len(angles_deg)} from {angles_deg.min():g} to {angles_deg.max():g} "
        f"degrees where that has {len(known.angles_deg)} from {known.angles_deg.min():g} to "
        f"{known.angles_deg.max():g}; are both of this stack?"
    )

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which row of a file's metadata belongs to which image of the stack.

The angles of the stack, from a .tlt or AreTomo's .aln, are compared with those of every other file:
rows may run in another order, with the other sign, apart by a pretilt, or be more than the images.
Files whose angles do not fit are refused; what had to be assumed is told.
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
DOUBTFUL = 1.5
"""Orders whose doses differ by more than so many views' doses are worth a warning."""
DOUBTFUL_PX = 1.0
"""Orders whose shifts differ by more are worth one too."""


@dataclass(frozen=True)
class KnownAngles:
    """Angles of images of the stack.

    Attributes:
        path: where they are from.
        images: of which images, 0-based, (n_known,).
        angles_deg: (n_known,).
    """

    path: str
    images: np.ndarray
    angles_deg: np.ndarray


@dataclass(frozen=True)
class Placed:
    """Rows of one file, by image.

    Attributes:
        rows: the row of each image, (n_views,), `NO_ROW` where the file has none.
        warnings: what had to be assumed.
        rivals: other ways that fit as well, each as `rows`.
    """

    rows: np.ndarray
    warnings: tuple[str, ...] = ()
    rivals: tuple[np.ndarray, ...] = ()

    def doubts_of_shifts(
        self, path: str, transforms: np.ndarray, images: np.ndarray
    ) -> tuple[str, ...]:
        """A warning where another way that fits as well shifts images elsewhere.

        Args:
            path: the file.
            transforms: of its rows, (n_rows, 2, 3) in pixels.
            images: the images that count.
        """
        here = transforms[self.rows[images], :, 2]
        others = [transforms[rival[images], :, 2] for rival in self.rivals]
        if all(np.abs(here - other).max() <= DOUBTFUL_PX for other in others):
            return ()
        return (
            f"{os.path.basename(path)}: its angles fit those of the stack in more than one "
            "order, with other shifts of the images; the plainest order is taken: check that its "
            "views are those of the stack, or give the alignment in a text file (--xf)",
        )

    def doubts(self, path: str, exposures: Exposures, images: np.ndarray) -> tuple[str, ...]:
        """A warning where another way that fits as well gives other doses.

        Args:
            path: the file.
            exposures: doses of its rows.
            images: the images that count.
        """
        here = exposures.before[self.rows[images]]
        largest = DOUBTFUL * float(np.median(exposures.of))
        others = [exposures.before[rival[images]] for rival in self.rivals]
        if all(np.abs(here - other).max() <= largest for other in others):
            return ()
        return (
            f"{os.path.basename(path)}: its angles fit those of the stack in another order as "
            "well, in which doses differ; the plainest order is taken: check that its views are "
            "those of the stack, or give the doses in a text file (--doses)",
        )


def in_order(n_views: int) -> Placed:
    """Rows in the order of the stack."""
    return Placed(np.arange(n_views))


def check_agree(one: KnownAngles, other: KnownAngles) -> tuple[str, ...]:
    """Compare angles of the same images, and warn of a common offset or a turned sign.

    Raises:
        TomogramError: they are not those of one series in one order.
    """
    _, here, there = np.intersect1d(one.images, other.images, return_indices=True)
    if len(here) == 0:
        return ()
    first, second = one.angles_deg[here], other.angles_deg[there]
    offsets = {sign: float(np.median(first - sign * second)) for sign in (1, -1)}
    apart = {sign: np.abs(first - sign * second - offsets[sign]) for sign in (1, -1)}
    sign = 1 if apart[1].max() <= max(MAX_DIFFERENCE_DEG, apart[-1].max()) else -1
    if apart[sign].max() > MAX_DIFFERENCE_DEG or abs(offsets[sign]) > MAX_OFFSET_DEG:
        worst = int(np.argmax(apart[1]))
        raise TomogramError(
            f"{other.path}: view {one.images[here][worst] + 1}: expected the angles of {one.path}, "
            f"up to a common offset and a turned sign, got {second[worst]:g} where that has "
            f"{first[worst]:g} degrees; are both of this stack, with its views in order?"
        )
    return _told(other.path, one.path, sign < 0, offsets[sign], reordered=False)


def place_warp(
    path: str, angles_deg: np.ndarray, n_views: int, known: KnownAngles | None
) -> Placed:
    """Rows of Warp's metadata, which are in the order of its own stack.

    Args:
        path: the file.
        angles_deg: of its rows, (n_views,).
        n_views: of the stack.
        known: angles of the stack from elsewhere.

    Raises:
        TomogramError: the angles are those of another series.
    """
    if known is None:
        return in_order(n_views)
    found = match_angles(known.angles_deg, angles_deg)
    if found is None:
        raise _do_not_fit(path, known, angles_deg)
    return _placed(path, found, known, n_views, tell_order=True)


def place_mdoc(mdoc: MdocSeries, n_views: int, known: KnownAngles | None) -> Placed:
    """Sections of an .mdoc, which are in the order of acquisition more often than in the stack's.

    Raises:
        TomogramError: the angles are those of another series, or there is another number of them.
    """
    if known is None:
        rows = mdoc.stack_order(n_views)
        doubt = _doubt_order(mdoc.path, mdoc.angles_deg[rows])
        return Placed(rows, (*mdoc.warnings, *doubt))
    found = mdoc.match(known.angles_deg, known.path)
    placed = _placed(mdoc.path, found, known, n_views, tell_order=False)
    return Placed(placed.rows, (*mdoc.warnings, *placed.warnings), placed.rivals)


def _doubt_order(path: str, angles_deg: np.ndarray) -> tuple[str, ...]:
    """A warning where sections are taken for the images in order, and do not run by angle."""
    steps = np.diff(angles_deg)
    if (steps >= 0).all() or (steps <= 0).all():
        return ()
    return (
        f"{os.path.basename(path)}: sections are not in the order of angles: the stack is taken to "
        "have its images in the order of the sections; give the angles of the stack (--tlt) if it "
        "has not",
    )


def place_star(star: RelionSeries, n_views: int, known: KnownAngles | None) -> Placed:
    """Rows of RELION's star file: by the images that they name, by angle, or in order.

    Raises:
        TomogramError: they are those of another series, or it is not known which images they are.
    """
    n_rows = len(star.angles_deg)
    if star.images is not None:
        return _place_named(star, star.images, n_views, known)
    if known is not None:
        return _place_star_by_angle(star, n_views, known)
    if n_rows != n_views:
        raise TomogramError(
            f"{star.path}: expected {n_views} rows, one per image of the stack, got {n_rows}; give "
            "the angles of the stack (--tlt), by which rows find their images"
        )
    if (np.diff(star.nominal_deg) >= 0).all():
        return in_order(n_views)
    told = (
        f"{os.path.basename(star.path)}: rows are not in the rising order of angles, in which "
        "RELION writes stacks, and name no images of the stack: it is taken to have its images in "
        "the order of the rows; give the angles of the stack (--tlt) if it has not"
    )
    return Placed(np.arange(n_views), (told,))


def _place_named(
    star: RelionSeries, images: np.ndarray, n_views: int, known: KnownAngles | None
) -> Placed:
    if images.max() >= n_views:
        raise TomogramError(
            f"{star.path}: expected images 1 to {n_views} of the stack, got {images.max() + 1}"
        )
    rows = np.full(n_views, NO_ROW)
    rows[images] = np.arange(len(images))
    own = KnownAngles(star.path, images, star.angles_deg)
    return Placed(rows, check_agree(known, own) if known is not None else ())


def _place_star_by_angle(star: RelionSeries, n_views: int, known: KnownAngles) -> Placed:
    """Rows by angle: those of more images than rows are left without one."""
    n_rows, n_known = len(star.angles_deg), len(known.angles_deg)
    if n_rows >= n_known:
        found = match_angles(known.angles_deg, star.angles_deg, same_sign=True)
        if found is None:
            raise _do_not_fit(star.path, known, star.angles_deg)
        return _placed(star.path, found, known, n_views, tell_order=False)
    found = match_angles(star.angles_deg, known.angles_deg, same_sign=True)
    if found is None:
        raise _do_not_fit(star.path, known, star.angles_deg)

    def rows_of(entries: np.ndarray) -> np.ndarray:
        rows = np.full(n_views, NO_ROW)
        rows[known.images[entries]] = np.arange(n_rows)
        return rows

    told = _told(star.path, known.path, found.turned, found.offset_deg, reordered=False)
    rivals = tuple(rows_of(rival) for rival in found.rivals)
    # Rivals that leave out other images have no doses to compare.
    rows = rows_of(found.entries)
    alike = tuple(r for r in rivals if np.array_equal(r == NO_ROW, rows == NO_ROW))
    if len(alike) < len(rivals):
        told = (
            *told,
            f"{os.path.basename(star.path)}: which images have no row cannot be told by angles "
            "alone; the images of the nearest angles are taken",
        )
    return Placed(rows, told, alike)


def _placed(path: str, found: Match, known: KnownAngles, n_views: int, tell_order: bool) -> Placed:
    """Rows of a match, with a warning of another order where that is unusual."""

    def rows_of(entries: np.ndarray) -> np.ndarray:
        rows = np.full(n_views, NO_ROW)
        rows[known.images] = entries
        return rows

    reordered = tell_order and not found.in_order
    return Placed(
        rows_of(found.entries),
        _told(path, known.path, found.turned, found.offset_deg, reordered),
        tuple(rows_of(rival) for rival in found.rivals),
    )


def _told(
    path: str, known: str, turned: bool, offset_deg: float, reordered: bool
) -> tuple[str, ...]:
    """Warnings of what was done to make angles fit."""
    path, known = os.path.basename(path), os.path.basename(known)
    told = []
    if turned:
        told.append(f"{path}: its angles have the other sign than those of {known}")
    if reordered:
        told.append(
            f"{path}: its views run in another order than those of {known}: they are put in the "
            "order of the stack by their angles"
        )
    if abs(offset_deg) > MAX_DIFFERENCE_DEG:
        told.append(
            f"{path}: its angles differ from those of {known} by {abs(offset_deg):.1f} degrees "
            "throughout, which is taken for a pretilt"
        )
    return tuple(told)


def _do_not_fit(path: str, known: KnownAngles, angles_deg: np.ndarray) -> TomogramError:
    return TomogramError(
        f"{path}: expected the angles of {known.path}, up to a common offset, a turned sign and "
        f"the order, got {len(angles_deg)} from {angles_deg.min():g} to {angles_deg.max():g} "
        f"degrees where that has {len(known.angles_deg)} from {known.angles_deg.min():g} to "
        f"{known.angles_deg.max():g}; are both of this stack?"
    )

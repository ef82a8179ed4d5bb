# SPDX-License-Identifier: GPL-3.0-or-later
"""Content of the metadata of Warp: angles, doses, alignment, defocus, views in use."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

import numpy as np

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.exposures import Exposures, exposures_of_accumulated
from tomoscore_scipion.tilt_metadata.geometry import transforms_about_axis
from tomoscore_scipion.tilt_metadata.geometry_checks import check_angles, check_axis
from tomoscore_scipion.tilt_metadata.number_table import number
from tomoscore_scipion.tilt_metadata.optics import Optics
from tomoscore_scipion.tilt_metadata.warp.xml_file import read_xml


@dataclass(frozen=True)
class WarpSeries:
    """Metadata of Warp, per view of its stack.

    Attributes:
        angles_deg: tilt angles in degrees, (n_views,).
        exposures: doses.
        used: whether Warp uses the view, (n_views,) bool.
        axis_deg: angle of the tilt axis from y in degrees, (n_views,); None if it is missing.
        offset_angstrom: shifts (x, y) before the rotation in Angstrom, (n_views, 2); None if they
            are missing.
        optics: contrast transfer; None if there is no defocus.
    """

    angles_deg: np.ndarray
    exposures: Exposures
    used: np.ndarray
    axis_deg: np.ndarray | None
    offset_angstrom: np.ndarray | None
    optics: Optics | None

    def transforms(self, pixel_angstrom: float) -> np.ndarray | None:
        """The alignment in the form of IMOD, (n_views, 2, 3) in pixels; None if there is none.

        The point p of the image is at A (p - offset) in the aligned image; A rotates the tilt axis
        to y.
        """
        if self.axis_deg is None or self.offset_angstrom is None:
            return None
        return transforms_about_axis(self.axis_deg, self.offset_angstrom / pixel_angstrom)

    def select(self, indices: np.ndarray) -> WarpSeries:
        """The metadata of some views, in the given order."""
        optics = self.optics
        if optics is not None:
            optics = replace(optics, defocus_nm=optics.defocus_nm[indices])
        return WarpSeries(
            angles_deg=self.angles_deg[indices],
            exposures=self.exposures.select(indices),
            used=self.used[indices],
            axis_deg=None if self.axis_deg is None else self.axis_deg[indices],
            offset_angstrom=None if self.offset_angstrom is None else self.offset_angstrom[indices],
            optics=optics,
        )


def read_warp_xml(path: str, n_views: int, convention: str | None = None) -> WarpSeries:
    """Read the metadata of Warp for a stack of all views, or of the views that Warp uses.

    Args:
        path: the file.
        n_views: number of images in the stack: that of all views, or of the views in use.
        convention: point in the exposure of its doses, see `DOSE_CONVENTIONS`; "start", as Warp
            writes them, if None.

    Raises:
        TomogramError: the file cannot be read, is not of Warp, or has another number of views.
    """
    root = read_xml(path, ", or give angles and doses in text files (--tlt, --doses)")
    angles = _numbers(root, "Angles", path)
    doses = _numbers(root, "Dose", path)
    if angles is None or doses is None:
        missing = "Angles" if angles is None else "Dose"
        raise TomogramError(
            f"{path}: expected Warp's metadata of a tilt series with <{missing}>, which is not "
            "there; give angles and doses in text files (--tlt, --doses)"
        )
    columns = {"Angles": angles, "Dose": doses}
    axis = _numbers(root, "AxisAngle", path)
    offsets = [_numbers(root, name, path) for name in ("AxisOffsetX", "AxisOffsetY")]
    columns.update({"AxisAngle": axis} if axis is not None else {})
    columns.update({f"AxisOffset{x}": o for x, o in zip("XY", offsets) if o is not None})
    n_all = len(angles)
    for name, values in columns.items():
        if len(values) != n_all:
            raise TomogramError(
                f"{path}: expected {n_all} values in <{name}>, as in <Angles>, got {len(values)}"
            )
    used = _used(root, n_all, path)
    if n_views not in (n_all, int(used.sum())):
        raise TomogramError(
            f"{path}: expected {n_views} views, one per image of the stack, got {n_all}, of which "
            f"Warp uses {int(used.sum())}; the metadata must be that of this stack, with its views "
            "in order, all of them or those in use"
        )
    check_angles(path, angles)
    if axis is not None:
        check_axis(path, axis)
    exposures = exposures_of_accumulated(doses, convention or "start", os.path.basename(path))
    there = [offset for offset in offsets if offset is not None]
    series = WarpSeries(
        angles_deg=angles,
        exposures=exposures,
        used=used,
        axis_deg=axis,
        offset_angstrom=np.stack(there, axis=1) if len(there) == 2 else None,
        optics=_optics(root, n_all),
    )
    return series if n_views == n_all else series.select(np.flatnonzero(used))


def _numbers(root: Element, name: str, path: str) -> np.ndarray | None:
    """Numbers of an element, one per view; None if it is missing or empty."""
    text = root.findtext(name)
    if text is None or not text.strip():
        return None
    values = []
    for view, word in enumerate(text.split(), start=1):
        try:
            values.append(number(word))
        except ValueError:
            raise TomogramError(
                f"{path}: expected numbers in <{name}>, got {word[:40]!r} for view {view}"
            ) from None
    return np.array(values)


def _used(root: Element, n_views: int, path: str) -> np.ndarray:
    """Views that Warp uses, (n_views,) bool; all if <UseTilt> is missing."""
    words = (root.findtext("UseTilt") or "").lower().split()
    if not words:
        return np.ones(n_views, dtype=bool)
    if len(words) != n_views or not set(words) <= {"true", "false"}:
        raise TomogramError(
            f"{path}: expected True or False for each of {n_views} views in <UseTilt>, got "
            f"{len(words)} words"
        )
    return np.array([word == "true" for word in words])


def _optics(root: Element, n_views: int) -> Optics | None:
    """Contrast transfer, with the defocus per view (GridCTF), or one defocus for all views."""
    params = {p.get("Name"): p.get("Value", "") for p in root.iterfind("CTF/Param")}
    nodes = root.findall("GridCTF/Node")
    try:
        values = {int(n.get("Z", "0")): n.get("Value", "") for n in nodes}
        if len(nodes) == n_views and len(values) == n_views:
            defocus = np.array([float(values[view]) for view in range(n_views)])
        else:
            defocus = np.full(n_views, float(params["Defocus"]))
        voltage = float(params.get("Voltage", "300"))
        aberration = float(params.get("Cs", "2.7"))
        amplitude = float(params.get("Amplitude", "0.07"))
    except (KeyError, ValueError):
        return None
    sound = np.isfinite(defocus).all() and 0 <= amplitude < 1 and math.isfinite(aberration)
    if not (sound and math.isfinite(voltage) and voltage > 0):
        return None
    # Warp writes micrometres and millimetres.
    return Optics(1e3 * defocus, voltage, 1e6 * aberration, amplitude)

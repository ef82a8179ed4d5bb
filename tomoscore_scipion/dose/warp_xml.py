# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp's metadata of a tilt series (.xml): angles, doses, alignment, defocus, views in use.

Read with the standard library's parser without document types and entities, which Warp never
writes and which can blow up or read other files.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from tomoscore_scipion.dose.exposures import Exposures, exposures_of_accumulated
from tomoscore_scipion.dose.series import Optics
from tomoscore_scipion.engine.errors import TomogramError

LARGEST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class WarpSeries:
    """What Warp's metadata says, per view of its stack.

    Attributes:
        angles_deg: (n_views,).
        exposures: doses.
        used: (n_views,) bool, whether Warp uses the view.
        axis_deg: angle of the tilt axis from y, (n_views,); None where it is not there.
        offset_angstrom: shifts (x, y) before the rotation, (n_views, 2); None as above.
        optics: contrast transfer; None where there is no defocus per view.
    """

    angles_deg: np.ndarray
    exposures: Exposures
    used: np.ndarray
    axis_deg: np.ndarray | None
    offset_angstrom: np.ndarray | None
    optics: Optics | None

    def transforms(self, pixel_angstrom: float) -> np.ndarray | None:
        """The alignment in IMOD's form, (n_views, 2, 3) in pixels; None where there is none.

        A point p of the image lies at A (p - offset) of the aligned image, with A the rotation
        that turns the tilt axis to y.
        """
        if self.axis_deg is None or self.offset_angstrom is None:
            return None
        angle = np.deg2rad(-self.axis_deg)
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], 1)
        shift = -np.einsum("nij,nj->ni", turn, self.offset_angstrom / pixel_angstrom)
        return np.concatenate([turn, shift[:, :, None]], axis=2)


def read_warp_xml(path: str, n_views: int, convention: str | None = None) -> WarpSeries:
    """Read Warp's metadata.

    Args:
        path: the file.
        n_views: images in the stack.
        convention: what its doses are the doses of; Warp's "start" of the exposure when None.

    Raises:
        TomogramError: it cannot be read, is not Warp's, or is of another number of views.
    """
    root = _parse(path)
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
    for name, values in columns.items():
        if len(values) != n_views:
            raise TomogramError(
                f"{path}: expected {n_views} values in <{name}>, one per image of the stack, got "
                f"{len(values)}; the metadata must be that of this stack, with its views in order"
            )
    exposures = exposures_of_accumulated(doses, convention or "start", os.path.basename(path))
    there = [offset for offset in offsets if offset is not None]
    return WarpSeries(
        angles_deg=angles,
        exposures=exposures,
        used=_used(root, n_views),
        axis_deg=axis,
        offset_angstrom=np.stack(there, axis=1) if len(there) == 2 else None,
        optics=_optics(root, n_views),
    )


def _parse(path: str) -> Element:
    """The root of an XML file that has no document type."""
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise TomogramError(
            f"{path}: it has a document type (DOCTYPE), which Warp never writes: not read, for it "
            "could name other files; remove that line if you trust the file"
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        if os.path.getsize(path) > LARGEST_BYTES:
            raise TomogramError(f"{path}: expected at most {LARGEST_BYTES >> 20} MB of metadata")
        parser.Parse(Path(path).read_bytes(), True)
        return builder.close()
    except OSError as error:
        raise TomogramError(f"{path}: cannot be read: {error.strerror}") from error
    except expat.ExpatError as error:
        raise TomogramError(f"{path}: expected Warp's XML metadata: {error}") from error


def _numbers(root: Element, name: str, path: str) -> np.ndarray | None:
    """The numbers of an element, one per view; None where it is not there or empty."""
    text = root.findtext(name)
    if text is None or not text.strip():
        return None
    try:
        values = np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise TomogramError(f"{path}: expected numbers in <{name}>: {error}") from error
    if not np.isfinite(values).all():
        raise TomogramError(f"{path}: expected finite numbers in <{name}>")
    return values


def _used(root: Element, n_views: int) -> np.ndarray:
    words = (root.findtext("UseTilt") or "").split()
    if len(words) != n_views:
        return np.ones(n_views, dtype=bool)
    return np.array([word.lower() != "false" for word in words])


def _optics(root: Element, n_views: int) -> Optics | None:
    """Defocus per view from the grid over the views, or one defocus for all."""
    params = {p.get("Name"): p.get("Value", "") for p in root.iterfind("CTF/Param")}
    nodes = root.findall("GridCTF/Node")
    values = {int(n.get("Z", "0")): n.get("Value", "") for n in nodes}
    try:
        if len(nodes) == n_views and len(values) == n_views:
            defocus = np.array([float(values[view]) for view in range(n_views)])
        else:
            defocus = np.full(n_views, float(params["Defocus"]))
        voltage = float(params.get("Voltage", "300"))
        aberration = float(params.get("Cs", "2.7"))
        amplitude = float(params.get("Amplitude", "0.07"))
    except (KeyError, ValueError):
        return None
    if not (np.isfinite(defocus).all() and 0 <= amplitude < 1 and math.isfinite(voltage)):
        return None
    # Micrometres and millimetres.
    return Optics(1e3 * defocus, voltage, 1e6 * aberration, amplitude)

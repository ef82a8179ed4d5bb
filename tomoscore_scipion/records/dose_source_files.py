# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one tilt series, from a command line or a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sources:
    """The files of one tilt series, with settings of its analysis.

    Attributes:
        ts_id: id of the tilt series.
        stack: path of the images, MRC.
        xf: path of IMOD's transforms.
        tlt: path of the tilt angles.
        doses: path of a text file of doses, see `dose_file.py`.
        warp_xml: path of Warp's metadata.
        mdoc: path of SerialEM's metadata.
        aln: path of AreTomo's alignment.
        star: path of RELION 5's star file of the tilt series.
        pixel_angstrom: pixel size that replaces the stack's header; None to use the header.
        convention: point in time of a view's exposure to which its accumulated dose belongs:
            "start", "middle" or "end"; None for the convention of the file format.
        excluded: images of the stack to leave out, 0-based.
        thickness_nm: height of the tomogram in nm; None for the default.
    """

    ts_id: str
    stack: str
    xf: str | None = None
    tlt: str | None = None
    doses: str | None = None
    warp_xml: str | None = None
    mdoc: str | None = None
    aln: str | None = None
    star: str | None = None
    pixel_angstrom: float | None = None
    convention: str | None = None
    excluded: tuple[int, ...] = ()
    thickness_nm: float | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of all files."""
        named = (self.xf, self.tlt, self.doses, self.warp_xml, self.mdoc, self.aln, self.star)
        return (self.stack, *(path for path in named if path))

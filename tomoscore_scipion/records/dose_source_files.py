# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one tilt series, as a command line or a job names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sources:
    """The files of one tilt series, with settings of its analysis.

    Attributes:
        ts_id: its id.
        stack: the images, MRC.
        xf: IMOD's transforms.
        tlt: tilt angles.
        doses: text file of doses, see `dose_file.py`.
        warp_xml: Warp's metadata.
        mdoc: SerialEM's metadata.
        aln: AreTomo's alignment.
        star: RELION 5's star file of the tilt series.
        pixel_angstrom: pixel size that wins over the stack's header.
        convention: point of a view's exposure of accumulated doses; None for the format's own.
        excluded: images of the stack to leave out, 0-based.
        thickness_nm: height of the tomogram; None for the default.
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

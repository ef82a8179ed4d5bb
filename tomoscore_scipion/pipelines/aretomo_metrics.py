# SPDX-License-Identifier: GPL-3.0-or-later
"""AreTomo3's TiltSeries_Metrics.csv: measurements of each tilt series, beside the tomograms.

The columns are defined in AreTomo3's source (AreTomo/CTsMetrics.cpp): thickness in pixels of the
tilt series; resolution of the CTF fit at zero degrees in Angstrom; fraction of bad patches of the
local alignment, 0 to 1, of all patches and of those within 30.9 degrees.
"""

from __future__ import annotations

import csv
import math
import os
from dataclasses import dataclass

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.record import default_ts_id

FILE = "TiltSeries_Metrics.csv"
SERIES, THICKNESS, PIXEL = "Tilt_Series", "Thickness(Pix)", "Pix_Size(A)"
CTF, BAD_LOW, BAD_ALL = "CTF_Res(A)", "Bad_Patch_Low", "Bad_Patch_All"
SEPARATORS = "_-. "
COLUMNS = (
    "aretomo_thickness_nm",
    "aretomo_ctf_resolution_angstrom",
    "aretomo_bad_patches_low_tilts",
    "aretomo_bad_patches",
)
"""Columns of a CSV file for `Metrics.cells`."""


@dataclass(frozen=True)
class Metrics:
    """Measurements of a tilt series by AreTomo3; None for missing ones.

    Attributes:
        thickness_nm: thickness of the specimen.
        ctf_resolution_angstrom: resolution of the CTF fit at zero degrees.
        bad_patches_low: fraction of bad patches within 30.9 degrees, 0 to 1.
        bad_patches: fraction of bad patches of all, 0 to 1.
    """

    thickness_nm: float | None = None
    ctf_resolution_angstrom: float | None = None
    bad_patches_low: float | None = None
    bad_patches: float | None = None

    @property
    def cells(self) -> tuple[float | None, ...]:
        """The values of `COLUMNS`."""
        numbers = (self.thickness_nm, self.ctf_resolution_angstrom)
        return (*numbers, self.bad_patches_low, self.bad_patches)

    @property
    def facts(self) -> list[list[str]]:
        """Pairs (name, value with unit) of the known measurements."""
        pairs = (
            ("thickness (AreTomo3)", self.thickness_nm, "{:.0f} nm"),
            ("CTF resolution (AreTomo3)", self.ctf_resolution_angstrom, "{:.1f} A"),
            ("bad patches, low tilts (AreTomo3)", self.bad_patches_low, "{:.0%}"),
            ("bad patches (AreTomo3)", self.bad_patches, "{:.0%}"),
        )
        return [[name, form.format(value)] for name, value, form in pairs if value is not None]

    def summary_text(self) -> str:
        """One line: "AreTomo3: thickness 214 nm, CTF resolution 8.1 A, bad patches 12%"."""
        facts = [f"{name.replace(' (AreTomo3)', '')} {value}" for name, value in self.facts]
        return f"AreTomo3: {', '.join(facts)}" if facts else ""


class MetricsFiles:
    """The metrics files beside tomograms; a file is read again after a change."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[int, int], dict[str, Metrics]]] = {}

    def of(self, path: str) -> Metrics | None:
        """The metrics of a tomogram; None if there are none, or none yet.

        The tilt series is the one with the longest name, without .mrc, that the tomogram's name
        begins with: TS_1_Vol belongs to TS_1 and not to TS_10.

        Args:
            path: the tomogram's file; the metrics lie in its folder.
        """
        table = self._table(os.path.join(os.path.dirname(path), FILE))
        name = default_ts_id(path)
        ends = [at for at, character in enumerate(name) if character in SEPARATORS]
        beginnings = (name, *(name[:at] for at in reversed(ends)))
        return next((table[start] for start in beginnings if start in table), None)

    def _table(self, path: str) -> dict[str, Metrics]:
        """The rows of a metrics file; empty if it does not exist or cannot be read now."""
        try:
            status = os.stat(path)
            state = (status.st_size, status.st_mtime_ns)
            if path not in self._read or self._read[path][0] != state:
                self._read[path] = (state, read_metrics(path))
        except (OSError, TomogramError):
            return self._read[path][1] if path in self._read else {}
        return self._read[path][1]


def read_metrics(path: str) -> dict[str, Metrics]:
    """Read the metrics: {name of a tilt series without .mrc: metrics of its last row}.

    Incomplete rows and values that are not numbers are ignored.

    Raises:
        TomogramError: the file cannot be read.
    """
    text = read_text(path, "AreTomo3's metrics of tilt series")
    lines = text[: text.rfind("\n") + 1].splitlines()
    rows = list(csv.reader(lines, skipinitialspace=True))
    if not rows:
        return {}
    labels = [label.strip() for label in rows[0]]
    metrics = {}
    for row in rows[1:]:
        cells = dict(zip(labels, (cell.strip() for cell in row)))
        if len(row) == len(labels) and cells.get(SERIES):
            metrics[default_ts_id(cells[SERIES])] = _metrics(cells)
    return metrics


def _metrics(cells: dict[str, str]) -> Metrics:
    thickness, pixel = _number(cells.get(THICKNESS)), _number(cells.get(PIXEL))
    has_size = thickness is not None and pixel is not None and thickness > 0 and pixel > 0
    resolution = _number(cells.get(CTF))
    return Metrics(
        thickness_nm=0.1 * thickness * pixel if has_size and thickness and pixel else None,
        ctf_resolution_angstrom=resolution if resolution and resolution > 0 else None,
        bad_patches_low=_fraction(cells.get(BAD_LOW)),
        bad_patches=_fraction(cells.get(BAD_ALL)),
    )


def _number(word: str | None) -> float | None:
    try:
        value = float(word or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fraction(word: str | None) -> float | None:
    value = _number(word)
    return value if value is not None and 0 <= value <= 1 else None

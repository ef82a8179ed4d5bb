# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the values of a file have the byte order of its header.

Programs that swap a header and leave its data, or the other way round, make files that look sound:
only their values are absurd. Floats in the wrong order have any exponent; tomograms have not.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.reading.data_samples import samples
from tomoscore_scipion.reading.file_kind import FileKind
from tomoscore_scipion.reading.mrc_header import MrcHeader
from tomoscore_scipion.reading.source_file import SourceFile
from tomoscore_scipion.records.errors import TomogramError

ABSURD = (1e-20, 1e20)
"""Values that are not 0 are absurd outside these magnitudes."""
MANY, FEW = 0.3, 0.01
"""Shares of absurd values as they are read, and in the other byte order, that tell."""
FEWEST_VALUES = 100


def check_byte_order(source: SourceFile, header: MrcHeader, kind: FileKind) -> None:
    """Refuse floats whose byte order is another than that of the header.

    Raises:
        TomogramError: they are, or the file cannot be read.
    """
    if header.dtype != np.dtype("f4") and header.dtype != np.dtype(">f4"):
        return
    values = np.concatenate(list(samples(source, header))).view(header.dtype)
    values = values[values != 0]
    if values.size < FEWEST_VALUES or _absurd(values) < MANY:
        return
    if _absurd(values.view(header.dtype.newbyteorder())) > FEW:
        return
    names = ("big", "little") if header.dtype == np.dtype(">f4") else ("little", "big")
    raise TomogramError(
        f"{source.name}: expected values of {names[0]}-endian byte order, as its header is, found "
        f"values of {names[1]}-endian order: the file was converted in part; write the "
        f"{kind.name} anew with the program that made it"
    )


def _absurd(values: np.ndarray) -> float:
    """Share of values that no tomogram has."""
    with np.errstate(invalid="ignore"):
        size = np.abs(values)
        sound = (size >= ABSURD[0]) & (size <= ABSURD[1])
    return float(1 - sound.mean())

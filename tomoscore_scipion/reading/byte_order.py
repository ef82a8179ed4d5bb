# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the data of a file have the byte order of its header.

Some programs swap the header but not the data, or the data but not the header. Such files are valid
in every other respect. Floats in the wrong byte order have arbitrary exponents, which the values of
a tomogram do not have.
"""

from __future__ import annotations

import numpy as np

from tomoscore_scipion.reading.data_samples import samples
from tomoscore_scipion.reading.file_kind import FileKind
from tomoscore_scipion.reading.mrc_header import MrcHeader
from tomoscore_scipion.reading.source_file import SourceFile
from tomoscore_scipion.records.errors import TomogramError

PLAUSIBLE_MAGNITUDE = (1e-20, 1e20)
"""Smallest and largest magnitude of values other than 0."""
MIN_IMPLAUSIBLE, MAX_IMPLAUSIBLE_SWAPPED = 0.3, 0.01
"""The byte order is wrong if at least the first fraction of the values is implausible as read, and
at most the second one in the other byte order."""
MIN_VALUES = 100
"""The check is skipped if fewer values differ from 0."""


def check_byte_order(source: SourceFile, header: MrcHeader, kind: FileKind) -> None:
    """Check the byte order of 32-bit floats; other data types are not checked.

    Args:
        source: the open file.
        header: its header.
        kind: tomogram or stack, for messages.

    Raises:
        TomogramError: the data have another byte order than the header, or the file cannot be read.
    """
    if header.dtype != np.dtype("f4") and header.dtype != np.dtype(">f4"):
        return
    values = np.concatenate(list(samples(source, header))).view(header.dtype)
    values = values[values != 0]
    if values.size < MIN_VALUES or _implausible_fraction(values) < MIN_IMPLAUSIBLE:
        return
    swapped = values.view(header.dtype.newbyteorder())
    if _implausible_fraction(swapped) > MAX_IMPLAUSIBLE_SWAPPED:
        return
    names = ("big", "little") if header.dtype == np.dtype(">f4") else ("little", "big")
    raise TomogramError(
        f"{source.name}: expected values of {names[0]}-endian byte order, as its header is, found "
        f"values of {names[1]}-endian order: the file was converted in part; write the "
        f"{kind.name} anew with the program that made it"
    )


def _implausible_fraction(values: np.ndarray) -> float:
    """Fraction of the values outside `PLAUSIBLE_MAGNITUDE`, 0 to 1."""
    low, high = PLAUSIBLE_MAGNITUDE
    with np.errstate(invalid="ignore"):
        magnitude = np.abs(values)
        is_plausible = (magnitude >= low) & (magnitude <= high)
    return float(1 - is_plausible.mean())

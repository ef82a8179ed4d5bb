# SPDX-License-Identifier: GPL-3.0-or-later
"""Determine from the histogram whether bytes of mode 0 are signed, if the header does not say.

The histogram of an image is continuous near its mode. If unsigned bytes are read as signed, the
histogram is split at the middle of the range: it is high next to -128 and 127, and low next to 0,
where the two ends of the range meet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomoscore_scipion.reading.data_samples import samples
from tomoscore_scipion.reading.mrc_header import MrcHeader
from tomoscore_scipion.reading.source_file import SourceFile

MIN_BYTES = 4096
"""Files with fewer bytes are not examined."""
WINDOW = 15
"""Number of values on each side of a junction. The two values at the junction are excluded, because
clipped values accumulate there."""
MIN_FRACTION = 5e-4
"""Smallest fraction of all bytes on each side of the junction of 127 and -128."""
MIN_RATIO = 5.0
"""Smallest ratio of the counts at the junction of 127 and -128 to those around 0, as geometric
means of both sides."""

WRAPS = (
    "bytes read as unsigned: the header does not say, and as signed bytes their histogram would "
    "wrap around, with most values near -128 and 127 and few near 0"
)


def wraps_around(counts: np.ndarray) -> bool:
    """Whether the histogram is split at 127 and -128 when the bytes are read as signed.

    Args:
        counts: number of bytes of each unsigned value, shape (256,).
    """
    total = counts.sum()
    if total < MIN_BYTES:
        return False
    below, above = counts[127 - WINDOW : 127].sum(), counts[129 : 129 + WINDOW].sum()
    if min(below, above) < MIN_FRACTION * total:
        return False
    lowest, highest = counts[1 : 1 + WINDOW].sum(), counts[255 - WINDOW : 255].sum()
    return float(below) * float(above) > MIN_RATIO**2 * float(lowest) * float(highest)


def choose_sign(source: SourceFile, header: MrcHeader) -> MrcHeader:
    """Change the data type to unsigned bytes, with a warning, if signed bytes would wrap around.

    Args:
        source: the open file.
        header: its header.

    Returns:
        The header, changed or not.

    Raises:
        TomogramError: the file cannot be read.
    """
    if not header.sign_is_unknown or not wraps_around(_counts(source, header)):
        return header
    return replace(header, dtype=np.dtype("u1"), warnings=(*header.warnings, WRAPS))


def _counts(source: SourceFile, header: MrcHeader) -> np.ndarray:
    counts = np.zeros(256, dtype=np.int64)
    for chunk in samples(source, header):
        counts += np.bincount(chunk, minlength=256)
    return counts

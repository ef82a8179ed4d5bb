# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether bytes of mode 0 are signed, where the header does not tell: their histogram does.

Values of an image are continuous where they are many.  Bytes that are unsigned, read as signed
ones, are cut in two in the middle of their range: there are many next to -128 and 127, and few next
to 0, where the two ends of the range meet.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tomoscore_scipion.reading.data_samples import samples
from tomoscore_scipion.reading.mrc_header import MrcHeader
from tomoscore_scipion.reading.source_file import SourceFile

FEWEST_BYTES = 4096
"""Of fewer bytes there is no histogram."""
WINDOW = 15
"""Values on each side of a junction; the two that meet there, where values are clipped, are left
out."""
SHARE = 5e-4
"""Each side of the junction at 127 and -128 must hold so much of all bytes ..."""
TIMES = 5.0
"""... and both together (their geometric mean) so many times what lies around 0."""

WRAPS = (
    "bytes read as unsigned: the header does not tell, and as signed ones their histogram would "
    "wrap around, with most values near -128 and 127 and few near 0"
)


def wraps(counts: np.ndarray) -> bool:
    """Whether bytes are cut in two when they are read as signed.

    Args:
        counts: how often each byte is there, shape (256,), by its value as unsigned.
    """
    total = counts.sum()
    if total < FEWEST_BYTES:
        return False
    below, above = counts[127 - WINDOW : 127].sum(), counts[129 : 129 + WINDOW].sum()
    if min(below, above) < SHARE * total:
        return False
    least, greatest = counts[1 : 1 + WINDOW].sum(), counts[255 - WINDOW : 255].sum()
    return float(below) * float(above) > TIMES**2 * float(least) * float(greatest)


def settle_bytes(source: SourceFile, header: MrcHeader) -> MrcHeader:
    """The header with unsigned bytes, and a warning, where its signed ones would wrap around.

    Raises:
        TomogramError: the file cannot be read.
    """
    if not header.sign_is_a_guess or not wraps(_counts(source, header)):
        return header
    return replace(header, dtype=np.dtype("u1"), warnings=(*header.warnings, WRAPS))


def _counts(source: SourceFile, header: MrcHeader) -> np.ndarray:
    counts = np.zeros(256, dtype=np.int64)
    for chunk in samples(source, header):
        counts += np.bincount(chunk, minlength=256)
    return counts

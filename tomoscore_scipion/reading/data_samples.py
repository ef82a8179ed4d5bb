# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of the data of an MRC file, spread evenly over the file."""

from __future__ import annotations

from typing import Iterator

import numpy as np

from tomoscore_scipion.reading.mrc_header import MrcHeader
from tomoscore_scipion.reading.source_file import SourceFile

CHUNKS, CHUNK_BYTES = 16, 2**16
"""Number and size of the chunks that are read."""


def samples(source: SourceFile, header: MrcHeader) -> Iterator[np.ndarray]:
    """Read chunks of the data.

    Args:
        source: the open file.
        header: its header.

    Yields:
        Whole values as bytes, uint8 of shape (n_bytes,).

    Raises:
        TomogramError: the file cannot be read.
    """
    first, step = header.data_offset, header.dtype.itemsize
    n_bytes = header.file_bytes - first
    size = min(CHUNK_BYTES, n_bytes)
    for value in np.unique(np.linspace(0, (n_bytes - size) // step, CHUNKS).astype(np.int64)):
        chunk = np.empty(size, dtype=np.uint8)
        read = source.read_into(chunk, first + int(value) * step)
        yield chunk[: read - read % step]

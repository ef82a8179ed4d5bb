# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed MRC files, decompressed completely into a temporary file.

Slices are read in any order, which a compressed stream does not allow, and memory must not grow
with the volume. The temporary file lies in TMPDIR, has no name, cannot be opened by others, and is
removed by the system when the process ends.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import shutil
import tempfile
import zlib
from contextlib import ExitStack
from typing import Union

from tomoscore_scipion.reading.file_kind import TOMOGRAM, FileKind
from tomoscore_scipion.reading.mrc_fields import HEADER_BYTES
from tomoscore_scipion.reading.mrc_header import Warnings, parse_header
from tomoscore_scipion.reading.source_file import SourceFile
from tomoscore_scipion.records.errors import TomogramError

_CHUNK_BYTES = 2**20

Stream = Union[gzip.GzipFile, bz2.BZ2File]


def compression_of(head: bytes) -> str | None:
    """Compression of a file by its first bytes: "gzip", "bzip2" or None."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"BZh") and head[3:4].isdigit():
        return "bzip2"
    return None


def decompress(
    source: SourceFile, kind: str, file_kind: FileKind = TOMOGRAM
) -> tuple[SourceFile, Warnings]:
    """Decompress an MRC file into a private temporary file and close the compressed one.

    Args:
        source: the compressed file.
        kind: "gzip" or "bzip2".
        file_kind: tomogram or stack.

    Returns:
        The temporary file, which is removed when it is closed, and warnings.

    Raises:
        TomogramError: the file is damaged, truncated or not MRC, or the disk has no room.
    """
    try:
        with source.raw as raw, _stream(raw, kind) as stream:
            header = parse_header(stream.read(HEADER_BYTES), None, source.name, file_kind)
            _check_room(header.file_bytes, source.name)
            stream.seek(0)
            target, goes_on = _copy(stream, header.file_bytes)
    except (EOFError, zlib.error, OSError) as error:
        raise TomogramError(f"{source.name}: {_reason(error, kind)}") from error
    decompressed = SourceFile(target, source.name)
    warnings: Warnings = (
        f"compressed by {kind}: read whole, decompressed to a temporary file of "
        f"{decompressed.size} bytes; it is faster when it is decompressed beforehand",
    )
    if goes_on:
        warnings += ("the decompressed file is longer than its header says",)
    return decompressed, warnings


def _stream(raw: io.FileIO, kind: str) -> Stream:
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if kind == "gzip" else bz2.BZ2File(raw)


def _check_room(n_bytes: int, name: str) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise TomogramError(
            f"{name}: expected room for {n_bytes} bytes when decompressed, found {free} bytes "
            f"free in {folder}; decompress it yourself, or set TMPDIR to a folder with more room"
        )


def _copy(stream: Stream, n_bytes: int) -> tuple[io.FileIO, bool]:
    """Copy at most `n_bytes` bytes, as the rest may be endless.

    Returns:
        The temporary file, and whether the stream has more bytes.
    """
    with ExitStack() as on_error:
        target = on_error.enter_context(tempfile.TemporaryFile(prefix="tomoscore-", buffering=0))
        while target.tell() < n_bytes:
            chunk = memoryview(stream.read(min(_CHUNK_BYTES, n_bytes - target.tell())))
            if not chunk:
                break
            while chunk:
                chunk = chunk[target.write(chunk) :]
        # gzip verifies its checksum at the end of the stream.
        goes_on = bool(stream.read(1))
        on_error.pop_all()
    return target, goes_on


def _reason(error: Exception, kind: str) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"cannot be decompressed: {os.strerror(error.errno)}; decompress it yourself, or set "
            "TMPDIR to a folder that can be written and has more room"
        )
    problem = "a file that is cut off" if isinstance(error, EOFError) else "damage"
    return f"expected sound {kind} data, found {problem}; get the file anew"

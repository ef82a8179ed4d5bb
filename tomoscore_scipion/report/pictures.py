# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of a tomogram as data URLs, from folders of thumbnails and quality maps."""

from __future__ import annotations

import base64
import os
from typing import Sequence

from tomoscore_scipion.images.pictures import as_webp
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import (
    DETAILS,
    THUMBNAIL,
    chosen_slices,
    detail_name,
    map_picture_name,
    thumbnail_name,
)

MAX_BYTES = 250_000
"""Largest picture file that is accepted; TomoScore writes smaller ones."""


def check_folders(folders: Sequence[str], kind: str) -> None:
    """Check that folders of pictures can be read.

    Args:
        folders: paths of the folders.
        kind: "thumbnails" or "maps".

    Raises:
        StartError: a folder cannot be read.
    """
    for folder in folders:
        if not os.path.isdir(folder) or not os.access(folder, os.R_OK | os.X_OK):
            option = {"thumbnails": "--thumbnails", "maps": "--map"}[kind]
            raise StartError(
                f"{folder}: expected a folder of {kind}, as `tomoscore score {option} DIR` "
                "writes them, found none to read: name another one, or leave the option out"
            )


def pictures_of(record: Score, folders: Sequence[str], with_details: bool = True) -> dict[str, str]:
    """The existing pictures of slices of a tomogram.

    Args:
        record: record of the tomogram.
        folders: folders of thumbnails; the first folder that has a picture is used.
        with_details: whether to include slices in detail, in addition to the thumbnail.

    Returns:
        {"thumbnail" or number of the slice: picture as data URL}.

    Raises:
        StartError: a picture exists and cannot be read.
    """
    slice_of_kind = chosen_slices(record)
    slices = [slice_of_kind[kind] for kind in DETAILS if kind in slice_of_kind and with_details]
    names = {str(z): detail_name(record.ts_id, z) for z in slices}
    if THUMBNAIL in slice_of_kind:
        names["thumbnail"] = thumbnail_name(record.ts_id, slice_of_kind[THUMBNAIL])
    paths = {key: _first(folders, name) for key, name in names.items()}
    return {key: _read(path) for key, path in paths.items() if path is not None}


def _first(folders: Sequence[str], name: str) -> str | None:
    """The path of a file in the first folder that has it."""
    return next(filter(os.path.exists, (os.path.join(folder, name) for folder in folders)), None)


def map_of(record: Score, folders: Sequence[str]) -> dict[str, str]:
    """The picture of the quality map of a tomogram, if it exists.

    Args:
        record: record of the tomogram.
        folders: folders of quality maps; the first folder that has the picture is used.

    Returns:
        {"map": the picture as data URL}, or {}.

    Raises:
        StartError: the picture exists and cannot be read.
    """
    path = _first(folders, map_picture_name(record.ts_id))
    if path is None:
        return {}
    from PIL import Image

    try:
        with Image.open(path) as image:
            content = as_webp(image.convert("RGB"))
    except (OSError, Image.DecompressionBombError) as error:
        raise StartError(
            f"cannot read the picture of a map {path}: {error}: remove it, or score again with "
            "--map"
        ) from error
    return {"map": data_url("webp", content)}


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StartError(f"cannot read the thumbnail {path}: {error.strerror}") from error
    kind = _kind_of(content)
    if len(content) > MAX_BYTES or kind is None:
        raise StartError(
            f"{path}: expected a JPEG or WebP of at most {MAX_BYTES} bytes, found something "
            "else: remove it, or score again with --thumbnails"
        )
    return data_url(kind, content)


def _kind_of(content: bytes) -> str | None:
    """The format of a picture by its first bytes; None if it is neither JPEG nor WebP."""
    if content.startswith(b"\xff\xd8"):
        return "jpeg"
    return "webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def data_url(kind: str, content: bytes) -> str:
    """A picture as data URL.

    Args:
        kind: MIME name of the format, such as "webp".
        content: bytes of the picture file.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"

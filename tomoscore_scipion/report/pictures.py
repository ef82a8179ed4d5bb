# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of a tomogram from folders of thumbnails, as the page carries them."""

from __future__ import annotations

import base64
import os
from typing import Sequence

from tomoscore_scipion.engine.errors import StartError
from tomoscore_scipion.engine.pictures import LONGEST_PX, as_jpeg
from tomoscore_scipion.engine.record import Score
from tomoscore_scipion.engine.thumbnail_files import (
    chosen_slices,
    map_picture_name,
    thumbnails_of,
)

LARGEST_BYTES = 60_000
"""A larger picture is not one of ours: the page would grow out of hand."""


def check_folders(folders: Sequence[str], what: str) -> None:
    """See that folders of pictures can be read.

    Args:
        folders: their paths.
        what: "thumbnails" or "maps".

    Raises:
        StartError: one cannot.
    """
    for folder in folders:
        if not os.path.isdir(folder):
            option = {"thumbnails": "--thumbnails", "maps": "--map"}[what]
            raise StartError(
                f"{folder}: expected a folder of {what}, as `tomoscore score {option} DIR` "
                "writes them, found none: name another one, or leave the option out"
            )


def pictures_of(record: Score, folders: Sequence[str]) -> dict[int, str]:
    """The pictures of the slices to be shown of a tomogram, as far as they are there.

    Args:
        record: its record.
        folders: folders of thumbnails; the first one that has a picture gives it.

    Returns:
        {plane of the volume: JPEG in base64}.

    Raises:
        StartError: a picture is there and cannot be read.
    """
    paths: dict[int, str] = {}
    for folder in folders:
        try:
            paths = {**thumbnails_of(folder, record.ts_id), **paths}
        except OSError as error:
            raise StartError(
                f"cannot read the folder of thumbnails {folder}: {error.strerror}"
            ) from error
    wanted = sorted(set(chosen_slices(record).values()))
    return {z: _read(paths[z]) for z in wanted if z in paths}


def map_of(record: Score, folders: Sequence[str]) -> dict[str, str]:
    """The picture of a tomogram's quality map, as far as it is there.

    Args:
        record: its record.
        folders: folders of maps; the first one that has a picture gives it.

    Returns:
        {"map": JPEG in base64}, or {}.

    Raises:
        StartError: a picture is there and cannot be read.
    """
    paths = (os.path.join(folder, map_picture_name(record.ts_id)) for folder in folders)
    path = next(filter(os.path.exists, paths), None)
    if path is None:
        return {}
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((LONGEST_PX, LONGEST_PX))
    except (OSError, Image.DecompressionBombError) as error:
        raise StartError(
            f"cannot read the picture of a map {path}: {error}: remove it, or score again with "
            "--map"
        ) from error
    return {"map": base64.b64encode(as_jpeg(small)).decode("ascii")}


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise StartError(f"cannot read the thumbnail {path}: {error.strerror}") from error
    if len(content) > LARGEST_BYTES or not content.startswith(b"\xff\xd8"):
        raise StartError(
            f"{path}: expected a JPEG of at most {LARGEST_BYTES} bytes, found something else: "
            "remove it, or score again with --thumbnails"
        )
    return base64.b64encode(content).decode("ascii")

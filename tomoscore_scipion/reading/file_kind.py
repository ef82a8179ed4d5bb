# SPDX-License-Identifier: GPL-3.0-or-later
"""What an MRC file is read as: a tomogram, or a stack of images.

It decides what matters of the header, and which options messages name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileKind:
    """How a file is read.

    Attributes:
        name: what messages call the file.
        used: what is done with it, as in "cannot be scored".
        use: the same as a request, as in "score it when it is complete".
        size: what messages call the size of its voxels or pixels.
        size_option: the option that gives this size.
        bin_command: IMOD's command that bins such a file.
        is_stack: whether its sections are images on their own. Then the length of its third axis
            means nothing, nor does the header's word that it is a stack of volumes.
    """

    name: str
    used: str
    use: str
    size: str
    size_option: str
    bin_command: str
    is_stack: bool


TOMOGRAM = FileKind(
    name="tomogram",
    used="scored",
    use="score",
    size="voxel size",
    size_option="--voxel-size",
    bin_command="binvol -bin 4 in.mrc out.mrc",
    is_stack=False,
)
STACK = FileKind(
    name="stack",
    used="analysed",
    use="analyse",
    size="pixel size",
    size_option="--pixel-size",
    bin_command="newstack -bin 4 in.mrc out.mrc",
    is_stack=True,
)

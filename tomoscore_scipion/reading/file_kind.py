# SPDX-License-Identifier: GPL-3.0-or-later
"""The two kinds of MRC files that are read: tomograms, and stacks of images.

The kind determines which entries of the header are checked, and the options named in messages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileKind:
    """How a file is read.

    Attributes:
        name: noun for the file, in messages.
        used: participle of what is done with it, as in "cannot be scored".
        use: imperative of the same verb, as in "score it when it is complete".
        size: "voxel size" or "pixel size".
        size_option: option of the command line that gives this size.
        bin_command: command of IMOD that bins such a file.
        is_stack: whether the sections are separate images. The cell length along z and the space
            group are then ignored.
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

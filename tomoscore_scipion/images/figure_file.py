# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of matplotlib as files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, TypeVar

from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.records.errors import StartError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
"""Endings of file names of figures."""
DPI = 150

Content = TypeVar("Content")


def check_ending(path: str) -> None:
    """Check that a figure can have this file name.

    Raises:
        StartError: the name has none of the `ENDINGS`.
    """
    if not path.lower().endswith(ENDINGS):
        raise StartError(f"{path}: expected a name that ends with {', '.join(ENDINGS)}")


def save_drawing(
    path: str, draw: Callable[[Figure, Content], None], content: Content, size: tuple[float, float]
) -> None:
    """Draw into a new figure and save it, see `save_figure`.

    Args:
        path: file name with one of the `ENDINGS`.
        draw: draws the content into an empty figure.
        content: what `draw` draws.
        size: width and height of the figure, inches.

    Raises:
        StartError: the name has another ending, or the file cannot be written.
    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    draw(figure, content)
    save_figure(figure, path)


def save_figure(figure: Figure, path: str, dpi: int = DPI) -> None:
    """Save a figure. An existing file is replaced when the new one is complete.

    Args:
        figure: figure to save.
        path: file name with one of the `ENDINGS`, which gives the format.
        dpi: pixels per inch of a PNG.

    Raises:
        StartError: the name has another ending, or the file cannot be written.
    """
    check_ending(path)
    try:
        with atomic_path(os.path.realpath(path)) as temporary:
            figure.savefig(temporary, format=os.path.splitext(path)[1][1:].lower(), dpi=dpi)
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}: name another file") from error

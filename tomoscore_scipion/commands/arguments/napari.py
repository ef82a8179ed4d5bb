# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore napari`; help comes at once."""

from __future__ import annotations

from argparse import ArgumentParser

DESCRIPTION = """\
Show scored tomograms in napari, with their quality maps as overlays, the score of each slice in its
corner, and the profile over the slices. Only the slices that are shown are read.

napari is no part of the engine: pip install 'scipion-em-tomoscore[engine,napari]'.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore napari`."""
    add = parser.add_argument
    add(
        "results",
        metavar="RESULTS.jsonl",
        help="records, as `tomoscore score --output` writes them",
    )
    add("ids", nargs="*", metavar="ID", help="which tomograms (default: all of a few)")
    add(
        "--maps",
        action="append",
        metavar="DIR",
        help="folder of quality maps, as `tomoscore score --map` writes them; may be repeated "
        "(default: maps beside the records)",
    )

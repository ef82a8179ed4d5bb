# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore simulate`; knows no torch, so that help comes at once."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import fields

from tomoscore_scipion.commands.arguments.options import (
    positive_integer,
    positive_number,
    whole_number,
)
from tomoscore_scipion.simulation.quality import QUALITIES, RANDOM
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.worlds import INGREDIENTS

DESCRIPTION = f"""\
Simulate tomograms of cellular specimens whose quality is known: for every seed a tomogram
sim_SEED.mrc and beside it its truth, sim_SEED.json, with the true curve and TomoScore, the true
score of every slice, and all that was drawn. The same seed and options give the same tomogram.

{RANDOM.capitalize()} quality draws specimen and imaging: anything from empty ice to a full cell,
from hardly visible to excellent. The qualities {", ".join(QUALITIES)} image a well-filled
specimen without contamination in a fixed way: true scores of about 3 to 3.5, 2, and below 1.

Parameters for --fix: {", ".join(f.name for f in fields(Recipe)[:10])},
{", ".join(f.name for f in fields(Recipe)[10:19])},
{", ".join(f.name for f in fields(Recipe)[19:27])},
{", ".join(f.name for f in fields(Recipe)[27:])}.
"""

INGREDIENT_NAMES = (*INGREDIENTS, "contamination")
"""What can be left out."""


seed_number = whole_number("a whole number from 0 on", 0, 2**63 - 1)


def assignment(text: str) -> tuple[str, object]:
    """NAME=VALUE of the command line as a parameter of `Recipe` and its typed value."""
    name, equals, value = text.partition("=")
    known = {f.name: getattr(Recipe(), f.name) for f in fields(Recipe)}
    if not equals or name not in known:
        raise ArgumentTypeError(f"expected NAME=VALUE, NAME of {', '.join(known)}; got {text!r}")
    try:
        return name, _typed(value, type(known[name]))
    except ValueError as error:
        raise ArgumentTypeError(f"{name}: {error}") from error


def _typed(text: str, kind: type) -> object:
    """A value of the command line as bool, int, float or str."""
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"expected true or false, got {text!r}")
        return text.lower() == "true"
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a {'whole ' if kind is int else ''}number, got {text!r}")
    return number


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore simulate`."""
    add = parser.add_argument
    add("out_dir", metavar="OUT_DIR", help="folder to write to; made if it does not exist")
    add("--number", type=positive_integer, default=1, metavar="N", help="tomograms (default: 1)")
    add("--seed", type=seed_number, default=0, metavar="S", help="first seed (default: 0)")
    add(
        "--field-nm",
        type=positive_number,
        default=768.0,
        metavar="NM",
        help="width of the field of view, a multiple of 48 from 192 to 1536 (default: 768)",
    )
    add(
        "--voxel-size",
        type=positive_number,
        metavar="A",
        help="in angstrom, 15 to 60; the field holds a whole, even number of voxels "
        "(default: what the quality has)",
    )
    add(
        "--quality",
        choices=(*QUALITIES, RANDOM),
        default=RANDOM,
        help="how the specimen is imaged (default: random)",
    )
    add(
        "--thickness-nm",
        nargs=2,
        type=positive_number,
        metavar=("LO", "HI"),
        help="range of the slab's thickness (default: 40 300 for random quality, else 60 150)",
    )
    add(
        "--without",
        nargs="+",
        action="extend",
        choices=INGREDIENT_NAMES,
        default=[],
        metavar="INGREDIENT",
        help=f"leave out, of {', '.join(INGREDIENT_NAMES)}",
    )
    add(
        "--fix",
        nargs="+",
        action="extend",
        type=assignment,
        default=[],
        metavar="NAME=VALUE",
        help="give parameters of the imaging, such as total_dose=60 filter=sirt_like",
    )
    parser.set_defaults(wrong_usage=parser.error)

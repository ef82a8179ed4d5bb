# SPDX-License-Identifier: GPL-3.0-or-later
"""Three example tomograms of one specimen with good, medium and poor quality.

Run as `python -m tomoscore_scipion.simulation.demo FOLDER`.
"""

from __future__ import annotations

import argparse
import sys
from typing import Sequence

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.output_paths import make_folder
from tomoscore_scipion.simulation.quality import QUALITIES
from tomoscore_scipion.simulation.simulated import Request, simulate, truth_line, write

SEED = 30
"""Seed of the specimen, chosen by eye because it shows many parts of a cell."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write good.mrc, medium.mrc and poor.mrc with their truths (.json) to a folder.

    Returns:
        Exit status: 0 done, 1 the files cannot be written.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="FOLDER", help="made if it does not exist")
    args = parser.parse_args(argv)
    try:
        folder = make_folder(args.folder)
        for quality in QUALITIES:
            stack, truth = simulate(SEED, Request(quality=quality, thickness_nm=(70.0, 100.0)))
            print(truth_line(write(folder / quality, stack, truth), truth), flush=True)
    except StartError as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

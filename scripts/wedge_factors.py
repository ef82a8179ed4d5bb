# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the table of `tomoscore_scipion/halves/wedge.py`: factors of the missing wedge.

Noise-free tilt series of simulated specimens are reconstructed at each tilt range. The correlation
with the specimen, weighted by content, is computed per octave.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from tomoscore_scipion.benchmark.halves import content_weighted_factor, noise_free_series
from tomoscore_scipion.halves.wedge import MAX_TILTS_DEG

STEP_DEG = 2.0
QUANTILES = (5, 50, 95)


def main(argv: list[str] | None = None) -> int:
    """Simulate and print; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specimens", type=int, default=20, help="for each tilt range")
    args = parser.parse_args(argv)
    for tilt in MAX_TILTS_DEG:
        series = noise_free_series(tilt, STEP_DEG, range(args.specimens))
        factors = np.stack([content_weighted_factor(tilt_series) for tilt_series in series])
        print(f"+-{tilt:g} degrees, octaves from 128-64 to 8-4 nm")
        for quantile, row in zip(QUANTILES, np.percentile(factors, QUANTILES, axis=0)):
            print(f"  {quantile:2d} %", *(f"{value:.3f}" for value in row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore simulate`: from the arguments to tomograms with their truth."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.records.output_paths import make_folder
from tomoscore_scipion.simulation.simulated import Request, simulate, truth_line, write


def main(args: Namespace) -> int:
    """Simulate tomograms and write them with their truth.

    Returns:
        Exit status.

    Raises:
        StartError: a specimen cannot be made, or files cannot be written.
    """
    request = request_of(args)
    folder = make_folder(args.out_dir)
    for seed in range(args.seed, args.seed + args.number):
        stack, truth = simulate(seed, request)
        path = write(folder / f"sim_{seed}", stack, truth)
        print(truth_line(path, truth), flush=True)
    return 0


def request_of(args: Namespace) -> Request:
    """The request of the arguments; exits with wrong usage (2) if it is not possible."""
    fixed = dict(args.fix)
    if args.voxel_size is not None:
        if "voxel_nm" in fixed:
            args.wrong_usage("--voxel-size and --fix voxel_nm say the same thing: give one")
        if not 15 <= args.voxel_size <= 60:
            args.wrong_usage(f"--voxel-size: expected 15 to 60 angstrom, got {args.voxel_size:g}")
        fixed["voxel_nm"] = args.voxel_size / 10
    try:
        return Request(
            quality=args.quality,
            field_nm=args.field_nm,
            thickness_nm=tuple(args.thickness_nm) if args.thickness_nm else None,
            without=tuple(args.without),
            fixed=fixed,
        )
    except ValueError as error:
        return args.wrong_usage(str(error))

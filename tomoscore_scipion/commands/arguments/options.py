# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and types of values that several commands share."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import Callable, Iterable

TOMOGRAM_TIMEOUT = (
    "seconds that one tomogram may take before it counts as failed "
    "(default: 300, and 0.5 per MB of its file)"
)


def positive_number(text: str) -> float:
    """A number > 0 of the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


def whole_number(expected: str, low: int, high: int = sys.maxsize) -> Callable[[str], int]:
    """A parser of whole numbers of the command line.

    Args:
        expected: what is expected, for the message, such as "a port from 1 to 65535".
        low: smallest number.
        high: largest number.

    Returns:
        A function from text to number, which raises ArgumentTypeError for other texts.
    """

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ArgumentTypeError(f"expected {expected}, got {text!r}")
        return int(text)

    return parse


positive_integer = whole_number("a whole number from 1 to 4096", 1, 4096)


def option_of(name: str) -> str:
    """The option of the command line with a name among the arguments."""
    return "--" + name.replace("_", "-")


def check_job(args: Namespace, set_by_job: Iterable[str]) -> None:
    """Stop with wrong usage where --job lacks --output, or an option does not go with it.

    Args:
        args: arguments with a job.
        set_by_job: names of the arguments that the job file sets.
    """
    for name in set_by_job:
        if getattr(args, name) is not None:
            args.wrong_usage(f"{option_of(name)} does not go with --job: the job file says it")
    if not args.output:
        args.wrong_usage("--job needs --output")


def add_engine_options(
    parser: ArgumentParser, device_help: str, timeout_help: str, device: str | None = None
) -> None:
    """Add --device, --weights, --threads, --timeout and --quiet.

    Args:
        parser: parser of a command that runs the engine.
        device_help: help text of --device.
        timeout_help: help text of --timeout.
        device: default of --device; None where a job may name the device.
    """
    add = parser.add_argument
    add_model_options(parser, device_help, device)
    add("--threads", type=positive_integer, metavar="N", help="threads on the CPU")
    add("--timeout", type=positive_number, metavar="S", help=timeout_help)
    add("--quiet", action="store_true", help="print nothing but errors")


def add_model_options(
    parser: ArgumentParser,
    device_help: str,
    device: str | None = None,
    weights_help: str = "weights to use (default: those shipped)",
) -> None:
    """Add --device and --weights.

    Args:
        parser: parser of a command that loads the model.
        device_help: help text of --device.
        device: default of --device.
        weights_help: help text of --weights.
    """
    parser.add_argument("--device", default=device, metavar="auto|cpu|cuda:N", help=device_help)
    parser.add_argument("--weights", metavar="FILE", help=weights_help)


def add_results(parser: ArgumentParser, of: str = "records") -> None:
    """Add the positional argument RESULTS.jsonl, one or more files of records.

    Args:
        parser: parser of a command that reads records.
        of: noun phrase that begins the help text.
    """
    text = f"{of}, as `tomoscore score --output` writes them, or a folder of such"
    parser.add_argument("results", nargs="+", metavar="RESULTS.jsonl", help=text)


def add_plot(parser: ArgumentParser) -> None:
    """Add --plot."""
    parser.add_argument(
        "--plot", metavar="FILE.png", help="draw them; .png, .svg or .pdf; replaces the file"
    )


def add_json(parser: ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument(
        "--json", metavar="FILE.json", help="write all that was found; replaces the file"
    )


def add_voxel_size(parser: ArgumentParser) -> None:
    """Add --voxel-size."""
    parser.add_argument(
        "--voxel-size",
        type=positive_number,
        metavar="A",
        help="voxel size in angstrom; wins over the files' headers",
    )


def add_map(parser: ArgumentParser) -> None:
    """Add --map."""
    parser.add_argument(
        "--map",
        metavar="DIR",
        help="write a map of each tomogram, TomoScore per place (.mrc), and a picture of it (.png)",
    )


def add_calibration(parser: ArgumentParser) -> None:
    """Add --calibration."""
    parser.add_argument(
        "--calibration",
        metavar="FILE.json",
        help="calibrate the scores, as `tomoscore calibrate` learned it from the session's halves",
    )

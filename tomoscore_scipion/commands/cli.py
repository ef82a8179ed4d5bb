# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line `tomoscore`: runs the sub-command, and turns errors into exit statuses.

The module of a sub-command is imported when the sub-command is run, so that `--help` and `info` do
not import torch. No other module of the engine imports the commands.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from importlib import import_module
from typing import Sequence

from tomoscore_scipion import __version__
from tomoscore_scipion.records.errors import StartError, TomoScoreError
from tomoscore_scipion.records.exit_status import ExitStatus
from tomoscore_scipion.records.terminal import notify

HOW_TO_INSTALL = "pip install 'scipion-em-tomoscore[engine]'"


COMMANDS = {
    "score": "score tomograms",
    "watch": "score tomograms of a running session as they become complete",
    "dose": "how many electrons of a tilt series are worth it",
    "report": "make an HTML report of scored tomograms",
    "napari": "show scored tomograms with their quality maps in napari",
    "compare": "compare scores of the same tilt series: which way to make tomograms wins",
    "agreement": "compare predicted scores of a session with those measured from halves",
    "calibrate": "learn a correction of a session's scores from its halves",
    "threshold": "find the threshold that agrees with tomograms marked as good and as bad",
    "info": "show versions, weights and devices",
    "simulate": "simulate tomograms (.mrc) with their truth (.json)",
    "train": "train a model on simulated tomograms",
    "benchmark": "compare scores with the truth on fresh simulated tomograms",
}
"""The sub-commands, with the help of each.

Module arguments.NAME has add_arguments(parser), module NAME has main(args) -> exit status."""
ARGUMENTS, ACTIONS = "tomoscore_scipion.commands.arguments", "tomoscore_scipion.commands"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: the arguments; those of the process when None.

    Returns:
        Exit status: 0 done, 1 could not start, 2 wrong usage, 3 some tomograms failed,
        130 stopped by the user.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        status = _run(argv)
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse: help was asked for, or wrong usage
        if isinstance(stop.code, str):
            raise
        return int(stop.code or 0)
    except TomoScoreError as error:
        if "--debug" in argv:
            traceback.print_exc(file=sys.stderr)
        notify(f"error: {error}")
        return ExitStatus.NOT_STARTED
    except KeyboardInterrupt:
        notify("stopped")
        return ExitStatus.STOPPED
    except BrokenPipeError:
        # The reader of standard output is gone (a pager, head): nothing more can be said there,
        # and Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.NOT_STARTED


def _run(argv: Sequence[str]) -> int:
    if not argv or argv[0] not in COMMANDS:
        _overview().parse_args(argv)  # shows the help or the version, or says what is wrong
        return 0
    try:
        parser = parser_of(argv[0])
        # Options may stand between paths; with "--" paths may look like options, but not both.
        parse = parser.parse_args if "--" in argv else parser.parse_intermixed_args
        args = parse(argv[1:])
        return int(import_module(f"{ACTIONS}.{argv[0]}").main(args))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "tomoscore_scipion":
            raise
        raise StartError(
            f"tomoscore {argv[0]} needs the Python package {error.name}: {HOW_TO_INSTALL}"
        ) from error


def _overview() -> argparse.ArgumentParser:
    """The parser of `tomoscore` itself, which only knows the names of the commands."""
    parser = argparse.ArgumentParser(
        prog="tomoscore",
        description="At which scale can features of a cellular tomogram be readily distinguished?",
        epilog="`tomoscore COMMAND --help` explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tomoscore {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text)
    return parser


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of one command, with the options that all have."""
    arguments = import_module(f"{ARGUMENTS}.{name}")
    parser = argparse.ArgumentParser(
        prog=f"tomoscore {name}",
        description=getattr(arguments, "DESCRIPTION", COMMANDS[name]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    arguments.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    return parser

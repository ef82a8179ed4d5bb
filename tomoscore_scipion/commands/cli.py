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
from types import ModuleType
from typing import NamedTuple, Sequence

from tomoscore_scipion import __version__
from tomoscore_scipion.records.errors import StartError, TomoScoreError
from tomoscore_scipion.records.exit_status import ExitStatus
from tomoscore_scipion.records.terminal import notify

HOW_TO_INSTALL = "pip install 'scipion-em-tomoscore[engine]'"


class Command(NamedTuple):
    """A sub-command: `arguments` has add_arguments(parser), `action` has main(args) -> int."""

    help: str
    arguments: str
    action: str


COMMANDS: dict[str, Command] = {
    "score": Command(
        "score tomograms",
        "tomoscore_scipion.commands.arguments.score",
        "tomoscore_scipion.commands.score",
    ),
    "watch": Command(
        "score tomograms of a running session as they become complete",
        "tomoscore_scipion.commands.arguments.watch",
        "tomoscore_scipion.commands.watch",
    ),
    "dose": Command(
        "how many electrons of a tilt series are worth it",
        "tomoscore_scipion.commands.arguments.dose",
        "tomoscore_scipion.commands.dose",
    ),
    "report": Command(
        "make an HTML report of scored tomograms",
        "tomoscore_scipion.commands.arguments.report",
        "tomoscore_scipion.commands.report",
    ),
    "napari": Command(
        "show scored tomograms with their quality maps in napari",
        "tomoscore_scipion.commands.arguments.napari",
        "tomoscore_scipion.commands.napari",
    ),
    "compare": Command(
        "compare scores of the same tilt series: which way to make tomograms wins",
        "tomoscore_scipion.commands.arguments.compare",
        "tomoscore_scipion.commands.compare",
    ),
    "agreement": Command(
        "compare predicted scores of a session with those measured from halves",
        "tomoscore_scipion.commands.arguments.agreement",
        "tomoscore_scipion.commands.agreement",
    ),
    "calibrate": Command(
        "learn a correction of a session's scores from its halves",
        "tomoscore_scipion.commands.arguments.calibrate",
        "tomoscore_scipion.commands.calibrate",
    ),
    "threshold": Command(
        "find the threshold that agrees with tomograms marked as good and as bad",
        "tomoscore_scipion.commands.arguments.threshold",
        "tomoscore_scipion.commands.threshold",
    ),
    "info": Command(
        "show versions, weights and devices",
        "tomoscore_scipion.commands.arguments.info",
        "tomoscore_scipion.commands.info",
    ),
    "simulate": Command(
        "simulate tomograms (.mrc) with their truth (.json)",
        "tomoscore_scipion.commands.arguments.simulate",
        "tomoscore_scipion.commands.simulate",
    ),
    "train": Command(
        "train a model on simulated tomograms",
        "tomoscore_scipion.commands.arguments.train",
        "tomoscore_scipion.commands.train",
    ),
    "benchmark": Command(
        "compare scores with the truth on fresh simulated tomograms",
        "tomoscore_scipion.commands.arguments.benchmark",
        "tomoscore_scipion.commands.benchmark",
    ),
}


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
    command = COMMANDS[argv[0]]
    try:
        parser = _parser(argv[0], import_module(command.arguments))
        # Options may stand between paths; with "--" paths may look like options, but not both.
        parse = parser.parse_args if "--" in argv else parser.parse_intermixed_args
        args = parse(argv[1:])
        return int(import_module(command.action).main(args))
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
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help)
    return parser


def _parser(name: str, arguments: ModuleType) -> argparse.ArgumentParser:
    """The parser of one command, with the options that all have."""
    parser = argparse.ArgumentParser(
        prog=f"tomoscore {name}",
        description=getattr(arguments, "DESCRIPTION", COMMANDS[name].help),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    arguments.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    return parser

# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `tomoscore info`."""

from __future__ import annotations

from argparse import ArgumentParser


def add_arguments(parser: ArgumentParser) -> None:
    """The arguments of `tomoscore info`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")

# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore calibrate`: from records with measured halves to a calibration of their session."""

from __future__ import annotations

from argparse import Namespace

from tomoscore_scipion.calibration.calibration import write_calibration
from tomoscore_scipion.calibration.fit import RefusedError, calibration_from
from tomoscore_scipion.calibration.summary_text import sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.output_paths import check_outputs
from tomoscore_scipion.records.record_files import files_of, scored_records
from tomoscore_scipion.records.terminal import print_lines


def main(args: Namespace) -> int:
    """Learn a calibration from what the arguments name, and write it.

    Returns:
        Exit status.

    Raises:
        StartError: it is refused, or files cannot be read or written.
    """
    check_outputs([args.output], files_of(*args.results))
    scored = scored_records(args.results)
    try:
        calibration = calibration_from(scored)
    except RefusedError as error:
        raise StartError(f"{', '.join(args.results)}: {error}") from error
    write_calibration(args.output, calibration)
    print_lines(sentences(calibration))
    return 0

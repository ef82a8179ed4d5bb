# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that the user can correct. All other exceptions are bugs and are not caught."""


class TomoScoreError(Exception):
    """Base class. The message says what was expected, what was found, and how to correct it."""


class TomogramError(TomoScoreError):
    """One tomogram cannot be scored; the batch continues."""


class StartError(TomoScoreError):
    """No tomogram can be scored: weights, device, job file or output are not usable."""

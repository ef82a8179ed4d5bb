# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that the user can correct. All other exceptions are bugs and keep their traceback."""


class TomoScoreError(Exception):
    """An error with a message for the user: what was expected and found, how to correct it."""


class TomogramError(TomoScoreError):
    """One tomogram cannot be scored; the others of the batch can."""


class StartError(TomoScoreError):
    """Nothing can be scored: weights, device, job file or output are not usable."""

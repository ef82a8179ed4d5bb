# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors that a user can mend. Everything else is a bug and keeps its traceback."""


class TomoScoreError(Exception):
    """A fault with a message for the user: what was expected, what was found, the way out."""


class TomogramError(TomoScoreError):
    """One tomogram cannot be scored; the others of the batch can."""


class StartError(TomoScoreError):
    """Nothing can be scored: weights, device, job file or output are not usable."""

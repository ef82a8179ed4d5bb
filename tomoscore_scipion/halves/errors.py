# SPDX-License-Identifier: GPL-3.0-or-later
"""Why halves are refused."""

from tomoscore_scipion.records.errors import TomoScoreError


class HalvesError(TomoScoreError):
    """Halves that say nothing of their tomogram; the predicted score holds all the same."""

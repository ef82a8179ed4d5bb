# SPDX-License-Identifier: GPL-3.0-or-later
"""Why halves are refused."""

from tomoscore_scipion.records.errors import TomoScoreError


class HalvesError(TomoScoreError):
    """Halves from which the score cannot be measured. The predicted score is not affected."""

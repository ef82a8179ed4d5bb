# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols of the plugin; Scipion finds them in this package."""

from tomoscore_scipion.protocols.protocol_compare import ProtTomoScoreCompare
from tomoscore_scipion.protocols.protocol_dose import ProtTomoScoreDose
from tomoscore_scipion.protocols.protocol_filter import ProtTomoScoreFilter
from tomoscore_scipion.protocols.protocol_score import ProtTomoScore
from tomoscore_scipion.protocols.protocol_threshold import ProtTomoScoreThreshold

__all__ = [
    "ProtTomoScore",
    "ProtTomoScoreCompare",
    "ProtTomoScoreDose",
    "ProtTomoScoreFilter",
    "ProtTomoScoreThreshold",
]

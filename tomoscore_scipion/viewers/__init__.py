# SPDX-License-Identifier: GPL-3.0-or-later
"""Viewers of the plugin; Scipion finds them in this package."""

from tomoscore_scipion.viewers.viewer_compare import TomoScoreCompareViewer
from tomoscore_scipion.viewers.viewer_dose import TomoScoreDoseViewer
from tomoscore_scipion.viewers.viewer_score import TomoScoreViewer
from tomoscore_scipion.viewers.viewer_threshold import TomoScoreThresholdViewer

__all__ = [
    "TomoScoreCompareViewer",
    "TomoScoreDoseViewer",
    "TomoScoreThresholdViewer",
    "TomoScoreViewer",
]

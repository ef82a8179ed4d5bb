# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewers that Scipion finds here."""

from tomoscore_scipion.viewers.viewer_compare import TomoScoreCompareViewer
from tomoscore_scipion.viewers.viewer_dose import TomoScoreDoseViewer
from tomoscore_scipion.viewers.viewer_score import TomoScoreViewer

__all__ = ["TomoScoreCompareViewer", "TomoScoreDoseViewer", "TomoScoreViewer"]

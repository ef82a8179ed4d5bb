# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see as the name of a protocol and of its plugin."""

from tomoscore_scipion.plugin import Plugin


class TomoScoreNamed:
    """A protocol whose label begins with the name of the plugin already."""

    @classmethod
    def getClassLabel(cls, prependPackageName=True):
        """The label in trees, searches and graphs: "TomoScore - score tomograms"."""
        return cls._label

    @classmethod
    def getClassPackageName(cls):
        """The name of the plugin; that of its Python package is longer."""
        return Plugin.NAME

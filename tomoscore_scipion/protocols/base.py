# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of all protocols of this plugin: names, and repair of outputs."""

import json
import os

from pwem.protocols import EMProtocol
from pyworkflow.object import Set

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import recovery
from tomoscore_scipion.protocols.item_attributes import SCORE
from tomoscore_scipion.protocols.provenance import PROVENANCE


class TomoScoreProtocol(EMProtocol):
    """A protocol of this plugin."""

    _provenanceKinds = PROVENANCE
    """{attribute: class} of the output sets."""

    @classmethod
    def getClassLabel(cls, prependPackageName=True):
        """The label in trees, searches and graphs; it begins with the name of the plugin."""
        return cls._label

    @classmethod
    def getClassPackageName(cls):
        """The name of the plugin, which is shorter than the name of its Python package."""
        return Plugin.NAME

    def iterOutputAttributes(self, outputClass=None, includePossible=False):  # noqa: N803
        """Iterate over all outputs, and repair outputs that lost their path in the database.

        Scipion's windows, Stop and Continue use this method to find the outputs.
        """
        for name, output in super().iterOutputAttributes(outputClass, includePossible):
            if isinstance(output, Set) and not recovery.has_path(output):
                recovery.readable_output(self, name)
            yield name, output

    def _citations(self):
        return ["Tan2024"]

    def _sourcePointer(self):
        """The pointer to the input set, from which the output sets copy their description."""
        raise NotImplementedError


class LightProtocol(TomoScoreProtocol):
    """A protocol that works in Scipion's own process, without the engine."""

    @classmethod
    def validateInstallation(cls):
        """No errors, because this protocol does not need the engine."""
        return []

    def _readResult(self, name):
        """The content of a JSON file of the run; None before it is written."""
        path = self._getExtraPath(name)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def _scoredInputErrors(self):
        """Errors of the input `inTomograms`, which must have items with scores."""
        tomograms = self.inTomograms.get()
        first = tomograms.getFirstItem() if tomograms is not None else None
        if tomograms is not None and first is None:
            return ["*Scored tomograms*: the input has no tomograms."]
        if first is not None and not first.hasAttribute(SCORE):
            return [
                "*Scored tomograms*: the input has no TomoScore. Give it *scoredTomograms* of "
                "*TomoScore - score tomograms*."
            ]
        return []

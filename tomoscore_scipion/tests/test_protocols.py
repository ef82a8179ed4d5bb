# SPDX-License-Identifier: GPL-3.0-or-later
"""The installation as a user has it: import, TomoScore with the real engine, filter.

Needs no download: the tomograms are made here.
"""

import os
import tempfile

import mrcfile
import numpy as np
from pyworkflow.tests import setupTestProject
from tomo.protocols import ProtImportTomograms
from tomo.tests.test_base_centralized_layer import TestBaseCentralizedLayer

from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter

SAMPLING_RATE = 16.0
SHAPE_ZYX = (24, 96, 128)


def volume(strength):
    """Noise, and blobs of a strength, of shape SHAPE_ZYX."""
    noise = np.random.default_rng(1).normal(size=SHAPE_ZYX)
    z, y, x = np.meshgrid(*map(np.arange, SHAPE_ZYX), indexing="ij")
    blobs = np.sin(x / 5) * np.sin(y / 5) * np.cos(z / 9) > 0.3
    return (noise - strength * blobs).astype(np.float32)


class TestTomoScoreProtocols(TestBaseCentralizedLayer):
    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        cls.folder = tempfile.TemporaryDirectory()
        for name, strength in (("clear", 8.0), ("noise", 0.0)):
            path = os.path.join(cls.folder.name, f"{name}.mrc")
            with mrcfile.new(path) as mrc:
                mrc.set_data(volume(strength))
                mrc.voxel_size = SAMPLING_RATE
                mrc.set_volume()
        cls.imported = cls.newProtocol(
            ProtImportTomograms,
            filesPath=cls.folder.name,
            filesPattern="*.mrc",
            samplingRate=SAMPLING_RATE,
        )
        cls.launchProtocol(cls.imported)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_tomograms_are_scored_and_split(self):
        scored = self.newProtocol(ProtTomoScore, preset=3, threshold=0.0)
        scored.inTomograms.set(self.imported)
        scored.inTomograms.setExtended("Tomograms")
        self.launchProtocol(scored)
        self.assertTrue(scored.isFinished(), scored.getErrorMessage())
        self.checkTomograms(
            scored.scoredTomograms,
            expectedSetSize=2,
            expectedSRate=SAMPLING_RATE,
            expectedDimensions=list(reversed(SHAPE_ZYX)),
        )
        self.assertEqual(scored.acceptedTomograms.getSize(), 2)
        scores = {t.getTsId(): t._tomoScore.get() for t in scored.scoredTomograms}
        self.assertTrue(all(0 <= score <= 5 for score in scores.values()), scores)
        self.assertGreaterEqual(scores["clear"], scores["noise"])

        chosen = self.newProtocol(ProtTomoScoreFilter, criterion=1, count=1)
        chosen.inTomograms.set(scored)
        chosen.inTomograms.setExtended("scoredTomograms")
        self.launchProtocol(chosen)
        self.assertTrue(chosen.isFinished(), chosen.getErrorMessage())
        self.assertEqual(chosen.acceptedTomograms.getSize(), 1)
        self.assertEqual(chosen.rejectedTomograms.getSize(), 1)

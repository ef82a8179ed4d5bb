# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol with the real engine and the shipped weights.

It runs in Scipion's own Python, or in the environment that TOMOSCORE_TEST_ACTIVATION activates.
"""

import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from lab import ids, log_of, write_mrc

ACTIVATION = os.environ.get("TOMOSCORE_TEST_ACTIVATION", "")


def textured(path, seed, shape_zyx=(16, 64, 64)):
    """A tomogram of correlated noise, which the engine can read."""
    write_mrc(path, 0.0, shape_zyx, voxel_size=16.0)
    noise = np.random.default_rng(seed).normal(size=shape_zyx).astype("<f4")
    noise = (noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2)).astype("<f4")
    with open(path, "r+b") as file:
        file.seek(1024)
        file.write(noise.tobytes())
        file.seek(76)
        file.write(struct.pack("<3f", noise.min(), noise.max(), noise.mean()))


@pytest.fixture
def real_engine(monkeypatch):
    from tomoscore_scipion.plugin import TOMOSCORE_ENV_ACTIVATION, Plugin

    monkeypatch.setenv(TOMOSCORE_ENV_ACTIVATION, ACTIVATION)
    monkeypatch.setitem(Plugin._vars, TOMOSCORE_ENV_ACTIVATION, ACTIVATION)
    return Plugin


def test_the_real_engine_gives_its_info_and_scores(lab, real_engine):
    info = real_engine.getEngineInfo()
    assert real_engine.validateInstallation() == []
    entries = [lab.tomogram(name) for name in ("noise", "more noise", "corrupt")]
    for seed, entry in enumerate(entries[:2]):
        textured(entry["path"], seed)
    (lab.folder / "corrupt.mrc").write_bytes(b"no MRC file")
    scored = lab.score(lab.source(entries, samplingRate=16.0), binThreads=1)
    assert scored.isFinished(), log_of(scored)
    assert ids(scored, "scoredTomograms") == ["more noise", "noise"]
    assert ids(scored, "failedTomograms") == ["corrupt"]
    for item in scored.scoredTomograms:
        low, score, high = (getattr(item, f"_tomoScore{n}").get() for n in ("Low", "", "High"))
        assert 0 <= low <= score <= high <= 5
    sha256 = scored.scoredTomograms._tomoScoreModelSha256.get()
    assert sha256 == info["weights"]["sha256"] == scored.getModelSha256()
    assert scored.scoredTomograms._tomoScoreDevice.get() == "cpu"


def test_the_tests_of_the_installed_plugin_pass(scipion):
    command = [sys.executable, "-m", "scipion", "tests", "tomoscore_scipion.tests.test_protocols"]
    environ = {**os.environ, "TOMOSCORE_ENV_ACTIVATION": ACTIVATION}
    done = subprocess.run(command, cwd=scipion, env=environ, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "[  PASSED  ]\x1b[0m 1 tests" in said and "FAILED" not in said, said

# SPDX-License-Identifier: GPL-3.0-or-later
"""A scorer without a network: the score of a .npy file is its mean."""

import os
import signal
import sys
import types

import numpy as np

from tomoscore_scipion.engine.bands import PERIODS_NM, scale_nm
from tomoscore_scipion.engine.errors import StartError, TomogramError
from tomoscore_scipion.engine.record import Score

MODEL = {"name": "fake", "version": "1", "sha256": "ab" * 32}
SHAPE_ZYX = (20, 32, 32)


def make_score(ts_id="TS_01", tomoscore=2.5, **changes):
    """A valid record; `changes` replace fields."""
    fields = {
        "ts_id": ts_id,
        "path": f"{ts_id}.npy",
        "tomoscore": tomoscore,
        "tomoscore_interval": (max(tomoscore - 0.25, 0), min(tomoscore + 0.25, 5)),
        "scale_nm": scale_nm(tomoscore),
        "curve": {"period_nm": PERIODS_NM, "resolvability": (0.7, 0.6, 0.4, 0.2, 0.1, None)},
        "slab_z": (4, 15),
        "slices": ({"z": 5, "tomoscore": tomoscore, "scale_nm": scale_nm(tomoscore)},),
        "voxel_size_angstrom": 10.0,
        "shape_zyx": SHAPE_ZYX,
        "model": MODEL,
        "engine_version": "0.1.0",
        "device": "cpu",
        "seconds": 1.5,
    }
    return Score(**{**fields, **changes})


class FakeScorer:
    """Scores .npy files by their mean; files with certain names make it fail in certain ways."""

    notices = ("auto: no GPU is usable, the CPU is used",)

    def __init__(self, model=MODEL, device="cpu"):
        self.model = model
        self.device = device

    @classmethod
    def load(cls, weights=None, device="auto"):
        if weights is not None and not os.path.exists(weights):
            raise StartError(f"weights {weights}: no such file: name a .safetensors file")
        model = {**MODEL, "name": os.path.basename(weights)} if weights else MODEL
        return cls(model, "cpu" if device == "auto" else device)

    def score(self, path, voxel_size_angstrom=None, ts_id=None, progress=None, z_range=None):
        self._fail(os.path.basename(path))
        if not os.path.isfile(path):
            raise TomogramError(f"{path}: no such file")
        for done in range(1, 4):
            progress(done, 3)
        mean = float(np.load(path).mean())
        voxel_size = voxel_size_angstrom or 10.0
        return make_score(
            ts_id,
            mean,
            path=path,
            voxel_size_angstrom=voxel_size,
            model=self.model,
            device=self.device,
            z_range=z_range,
        )

    def _fail(self, name):
        if name == "memory.npy":
            raise MemoryError
        if name == "bug.npy":
            raise ZeroDivisionError("division by zero")
        if name == "interrupt.npy":
            raise KeyboardInterrupt
        if name == "terminate.npy":
            os.kill(os.getpid(), signal.SIGTERM)
        if name == "kill.npy" and "KILL" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)


def as_module(scorer_class=FakeScorer):
    """A module to stand where the real scorer's is, which would load torch."""
    module = types.ModuleType("tomoscore_scipion.engine.scorer")
    module.Scorer = scorer_class
    return module


if __name__ == "__main__":
    from tomoscore_scipion.engine.cli import main

    sys.modules["tomoscore_scipion.engine.scorer"] = as_module()
    sys.exit(main(sys.argv[1:]))

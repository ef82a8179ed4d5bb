# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake scorer and a fake dose analysis: the score of a .npy file is its mean value."""

import ctypes
import os
import resource
import signal
import sys
import time
import types

import numpy as np

from tomoscore_scipion.records.bands import PERIODS_NM, scale_nm
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.record import Score

MODEL = {"name": "fake", "version": "1", "sha256": "ab" * 32}
SHAPE_ZYX = (20, 32, 32)


HALVES = {
    "half1": "o.mrc",
    "half2": "e.mrc",
    "status": "measured",
    "error": None,
    "tomoscore": 1.9,
    "interval": (1.4, 2.2),
    "curve": {"period_nm": PERIODS_NM, "resolvability": (0.6, 0.5, 0.3, None, None, None)},
    "kind": "by-tilt",
    "max_tilt_deg": 60.0,
    "octaves": PERIODS_NM[:3],
    "warnings": ("finer octaves are left out",),
}
"""The `halves` entry of a record with halves by tilt."""
REFUSED_HALVES = {
    **dict.fromkeys(HALVES),
    "half1": "o.mrc",
    "half2": "e.mrc",
    "status": "refused",
    "error": "both halves are the file o.mrc",
    "octaves": (),
    "warnings": (),
}


CALIBRATION = {"name": "calibration.json", "sha256": "ca" * 32, "tomograms": 10}


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
    """Scores .npy files by their mean; the file names in `ACTIONS` cause failures."""

    notices = ("auto: no GPU is usable, the CPU is used",)

    def __init__(self, model=MODEL, device="cpu"):
        self.model = model
        self.device = device

    @classmethod
    def load(cls, weights=None, device="auto"):
        if weights is not None and not os.path.exists(weights):
            raise StartError(f"weights {weights}: no such file: name a .safetensors file")
        model = {**MODEL, "name": os.path.basename(weights)} if weights else MODEL
        ACTIONS.get(model["name"], do_nothing)()
        return cls(model, "cpu" if device == "auto" else device)

    def score(
        self,
        path,
        voxel_size_angstrom=None,
        ts_id=None,
        progress=None,
        z_range=None,
        finish=None,
    ):
        ACTIONS.get(os.path.basename(path), do_nothing)()
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
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


def do_nothing():
    pass


def hang():
    while True:
        time.sleep(60)


def out_of_memory():
    raise MemoryError


def out_of_gpu_memory():
    """Raise an error like that of torch: its own class, and a message of several lines."""
    raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory.\nTried this and that")


def exceeds_memory_limit():
    """Allocate more memory than a low limit allows."""
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    np.ones(2**31)


def has_a_bug():
    return 1 / 0


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def crashes():
    ctypes.string_at(0)


def exits():
    os._exit(7)


def prints():
    print("a library says hello")
    os.write(1, b"and so does its C code\n")


def stop_the_parent(signum):
    def action():
        os.kill(os.getppid(), signum)
        hang()

    return action


def kill_the_parent():
    if "KILL" in os.environ:
        stop_the_parent(signal.SIGKILL)()


def lose_the_gpu():
    """Raise an error of a lost GPU; all later processes find no GPU."""
    with open(os.environ["GPU_LOST"], "w"):
        raise RuntimeError("CUDA error: unspecified launch failure")


def require_the_gpu():
    if os.path.exists(os.environ["GPU_LOST"]):
        raise StartError("device cuda:0: found no GPU that torch can use")


ACTIONS = {
    "hang.npy": hang,
    "memory.npy": out_of_memory,
    "GPU memory.npy": out_of_gpu_memory,
    "grows.npy": exceeds_memory_limit,
    "bug.npy": has_a_bug,
    "killed.npy": is_killed,
    "crash.npy": crashes,
    "exit.npy": exits,
    "prints.npy": prints,
    "interrupt.npy": stop_the_parent(signal.SIGINT),
    "terminate.npy": stop_the_parent(signal.SIGTERM),
    "hang up.npy": stop_the_parent(signal.SIGHUP),
    "kill.npy": kill_the_parent,
    "lost GPU.npy": lose_the_gpu,
    "hang.safetensors": hang,
    "killed.safetensors": is_killed,
    "interrupt.safetensors": stop_the_parent(signal.SIGINT),
    "bug.safetensors": has_a_bug,
    "of a GPU.safetensors": require_the_gpu,
    "no package.safetensors": lambda: __import__("no_such_package"),
}
"""Function that is called for a file of this name."""


def as_module(scorer_class=FakeScorer):
    """A module that replaces `model.scorer`, which would import torch."""
    module = types.ModuleType("tomoscore_scipion.model.scorer")
    module.Scorer = scorer_class
    return module


def dose_record_of(sources, scorer, flip_phases=False, preview=None, progress=None):
    """Replacement of `series_record.record_of`: the optimum dose is the mean of the .npy stack."""
    from tomoscore_scipion.records.dose_record import DoseRecord

    ACTIONS.get(os.path.basename(sources.stack), do_nothing)()
    time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
    if not os.path.isfile(sources.stack):
        raise TomogramError(f"{sources.stack}: no such file")
    for done in range(1, 4):
        progress(done, 3)
    dose = float(np.load(sources.stack).mean())
    step = {"dose": dose, "n_views": 3, "angle_range": [-9, 9], "angle_step": 3, "tomoscore": 1.5}
    step.update(tomoscore_interval=[1, 2], scale_nm=50.0, tomoscore_network=None)
    return DoseRecord(
        ts_id=sources.ts_id,
        path=sources.stack,
        steps=(step,),
        steps_weighted=(step,),
        steps_matched=(step,),
        optimum_dose=dose,
        suggested_range=(dose, dose),
        warnings=("a stack like any other",),
        pixel_size_angstrom=sources.pixel_angstrom or 10.0,
        model=scorer.model,
        device=scorer.device,
        seconds=1.5,
    )


def as_dose_module():
    """A module that replaces `dose.series_record`, which would import torch."""
    module = types.ModuleType("tomoscore_scipion.dose.series_record")
    module.record_of = dose_record_of
    return module


def command():
    """Command of a worker process that scores with the fake scorer."""
    return [sys.executable, __file__, "worker"]


def main(argv):
    from tomoscore_scipion.commands import cli
    from tomoscore_scipion.running import supervisor, worker

    sys.modules["tomoscore_scipion.model.scorer"] = as_module()
    sys.modules["tomoscore_scipion.dose.series_record"] = as_dose_module()
    if argv == ["worker"]:
        return worker.main()
    supervisor.command = command
    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

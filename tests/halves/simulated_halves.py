# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated tomogram with halves of its electrons and halves of its tilts, and its truth."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.reconstruction import filtered_views, reconstruct_planes
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary
from tomoscore_scipion.simulation.views import split_noise, take_views

RECIPE = Recipe(total_dose=120, defocus_nm=3000, misalignment_nm=0.2, ctf_correction="phase_flip")


@dataclass(frozen=True)
class Simulated:
    """A tomogram, (z, y, x) each, and what is true of it."""

    whole: np.ndarray
    by_frame: tuple
    by_tilt: tuple
    voxel_size_angstrom: float
    truth: dict


def simulated(seed):
    """A well imaged specimen of 288 nm."""
    rng = np.random.default_rng([77, seed])
    specimen = random_specimen(
        rng, Grid(n=192), without=("contamination",), thickness_nm=(80.0, 100.0), empty=False
    )
    views = {}

    def noted(*arguments):
        views["taken"] = take_views(*arguments)
        return views["taken"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tomoscore_scipion.simulation.acquisition.take_views", noted)
        taken = Microscope(specimen).acquire(rng, RECIPE, 1.3)
    noise = split_noise(rng, views["taken"], specimen.grid, RECIPE)
    taken = replace(taken, split=filtered_views(noise, specimen.grid, RECIPE))
    planes, curves, content = tomogram(rng, taken)
    heights = torch.arange(taken.n_z) - (taken.n_z - 1) / 2
    order = torch.argsort(taken.tilts_deg)
    tilts = [
        reconstruct_planes(taken.filtered[half], taken.tilts_deg[half], heights).numpy()
        for half in (order[::2], order[1::2])
    ]
    size = 10 * taken.voxel_nm
    truth = truth_summary(curves.numpy(), content.numpy(), taken.slab_z(), size)
    frames = tuple(half.numpy() for half in taken.halves(heights))
    return Simulated(planes.numpy(), frames, tuple(tilts), size, truth)

# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated tomogram with its halves by frame, its halves by tilt and its truth."""

from dataclasses import dataclass

import numpy as np
import torch

from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import random_specimen
from tomoscore_scipion.simulation.summary import truth_summary

RECIPE = Recipe(total_dose=120, defocus_nm=3000, misalignment_nm=0.2, ctf_correction="phase_flip")


@dataclass(frozen=True)
class Simulated:
    """A tomogram and its halves, arrays of shape (z, y, x), and the true curve and score."""

    whole: np.ndarray
    by_frame: tuple
    by_tilt: tuple
    voxel_size_angstrom: float
    truth: dict


def simulated(seed):
    """A well imaged specimen with a field of 288 nm."""
    rng = np.random.default_rng([77, seed])
    specimen = random_specimen(
        rng, Grid(n=192), without=("contamination",), thickness_nm=(80.0, 100.0), empty=False
    )
    taken = Microscope(specimen).acquire(rng, RECIPE, 1.3, halves=True)
    planes, curves, content = tomogram(rng, taken)
    heights = torch.arange(taken.n_z) - (taken.n_z - 1) / 2
    tilts = tuple(half.numpy() for half in taken.halves_by_tilt(heights))
    size = 10 * taken.voxel_nm
    truth = truth_summary(curves.numpy(), content.numpy(), taken.slab_z(), size)
    frames = tuple(half.numpy() for half in taken.halves(heights))
    return Simulated(planes.numpy(), frames, tilts, size, truth)

# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt images of a specimen with the effects of the microscope and an imperfect alignment."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from tomoscore_scipion.simulation import detector, optics
from tomoscore_scipion.simulation.contamination import Bead
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.misalignment import residual_shifts
from tomoscore_scipion.simulation.projection import project
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import Specimen
from tomoscore_scipion.simulation.tilt_scheme import TiltScheme, tilt_scheme
from tomoscore_scipion.simulation.view_filters import detector_transfer
from tomoscore_scipion.tomography import contrast_transfer, radiation_damage


@dataclass(frozen=True)
class Views:
    """Aligned tilt images in Fourier space and sheared coordinates (see projection.py).

    Attributes:
        spectra: (n_tilts, n_ky, n_kx) complex64; dense matter is dark at underfocus.
        scheme: angles and doses.
        counts: (n_tilts,) electrons per pixel; the images have mean 1.
        frequency: (n_tilts, n_ky, n_kx) |k| on the detector in 1/nm.
    """

    spectra: torch.Tensor
    scheme: TiltScheme
    counts: torch.Tensor
    frequency: torch.Tensor


def take_views(
    rng: np.random.Generator, specimen: Specimen, spectra: torch.Tensor, recipe: Recipe
) -> Views:
    """Record a tilt series of a specimen.

    Args:
        rng: source of randomness.
        specimen: the specimen.
        spectra: `projection.plane_spectra` of its scatter, computed once per specimen.
        recipe: parameters of imaging.
    """
    grid = specimen.grid
    scheme = tilt_scheme(recipe)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    kx, ky = grid.kx(), grid.ky()
    signal = project(
        spectra, specimen.heights_nm(), kx, ky, scheme.tilts_deg, recipe.axis_error_deg
    )
    frequency = detector_frequency(grid, scheme.tilts_deg)
    bad = torch.from_numpy(rng.random(len(scheme.tilts_deg)) < recipe.bad_tilts)
    signal *= _transfer(frequency, specimen, scheme, recipe, rng, bad)
    noise_mtf = None
    if recipe.mtf_shape != "none":
        signal *= detector_transfer(frequency, recipe, recipe.signal_mtf)
        noise_mtf = detector_transfer(frequency, recipe, recipe.noise_mtf)
        signal /= noise_mtf
    images = torch.fft.irfft2(signal, s=(grid.n, grid.n))
    if recipe.local_motion_nm or recipe.axis_error_deg:
        images = _warp(rng, images, grid, scheme.tilts_deg, recipe)
    counts = _counts(specimen, scheme, recipe)
    images += detector.shot_noise(counts, (grid.n, grid.n), generator)
    if recipe.erase_beads:
        erase_beads(images, specimen.beads, scheme.tilts_deg, grid)
    out = torch.fft.rfft2(images)
    if noise_mtf is not None:
        out *= noise_mtf
    shifts = residual_shifts(rng, scheme.tilts_deg, recipe)
    _displace(out, shifts, scheme.tilts_deg, kx, ky)
    return Views(out, scheme, counts, frequency)


def split_noise(rng: np.random.Generator, views: Views, grid: Grid, recipe: Recipe) -> Views:
    """Independent noise with the distribution of the noise in the views.

    The views plus and minus this noise represent the two halves of the electrons. The noise of the
    halves has twice the variance and, if Gaussian, is independent between the halves.

    Args:
        rng: source of randomness.
        views: the views.
        grid: sampling of the specimen.
        recipe: detector.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    noise = torch.fft.rfft2(detector.shot_noise(views.counts, (grid.n, grid.n), generator))
    if recipe.mtf_shape != "none":
        noise *= detector_transfer(views.frequency, recipe, recipe.noise_mtf)
    return replace(views, spectra=noise)


def detector_frequency(grid: Grid, tilts_deg: torch.Tensor) -> torch.Tensor:
    """|k| on the detector, (n_tilts, n_ky, n_kx) in 1/nm, with kx = kx_sheared / cos(tilt)."""
    across = grid.kx() / torch.cos(torch.deg2rad(tilts_deg))[:, None]
    return torch.hypot(across[:, None, :], grid.ky()[None, :, None])


def _transfer(
    frequency: torch.Tensor,
    specimen: Specimen,
    scheme: TiltScheme,
    recipe: Recipe,
    rng: np.random.Generator,
    bad: torch.Tensor,
) -> torch.Tensor:
    """Image contrast per projected density, (n_tilts, n_ky, n_kx); matter dark at underfocus."""
    jitter = 1 + 0.02 * float(rng.standard_normal())
    contrast = contrast_transfer.ctf(
        frequency, recipe.defocus_nm * jitter, recipe.amplitude_contrast
    )
    transfer = -2 * optics.phase_per_density_nm() * contrast
    if recipe.damage:
        transfer *= radiation_damage.surviving_amplitude(
            frequency, scheme.dose_middle[:, None, None]
        )
    if recipe.motion_blur_nm:
        blur = recipe.motion_blur_nm * torch.from_numpy(rng.random(len(bad))).float()
        blur = torch.where(bad, 10 + 4 * blur, blur)
        transfer *= torch.exp(-2 * (math.pi * frequency * blur[:, None, None]) ** 2)
    if not recipe.energy_filter:
        transmitted = optics.transmitted(
            specimen.ice_nm, scheme.tilts_deg, recipe.mean_free_path_nm
        )
        transfer *= transmitted[:, None, None]
    transfer[bad] *= float(rng.choice([0.0, 0.3, 1.0]))
    transfer[:, 0, 0] = 0.0
    return transfer


def _counts(specimen: Specimen, scheme: TiltScheme, recipe: Recipe) -> torch.Tensor:
    """Detected electrons per pixel and view, (n_tilts,)."""
    dose = torch.full_like(scheme.tilts_deg, scheme.dose_per_view * recipe.quantum_efficiency)
    if recipe.energy_filter:
        dose = dose * optics.transmitted(
            specimen.ice_nm, scheme.tilts_deg, recipe.mean_free_path_nm
        )
    return detector.electrons_per_pixel(dose, specimen.grid.pixel_nm, scheme.tilts_deg)


def _displace(
    spectra: torch.Tensor,
    shifts_nm: torch.Tensor,
    tilts_deg: torch.Tensor,
    kx: torch.Tensor,
    ky: torch.Tensor,
) -> None:
    """Shift views in place by (n_tilts, 2) nm on the detector, (y, x')."""
    across = shifts_nm[:, 1] / torch.cos(torch.deg2rad(tilts_deg))
    for view, dy, dx in zip(spectra, shifts_nm[:, 0], across):
        view *= torch.polar(torch.ones_like(ky), -2 * math.pi * ky * dy)[:, None]
        view *= torch.polar(torch.ones_like(kx), -2 * math.pi * kx * dx)


def _warp(
    rng: np.random.Generator,
    images: torch.Tensor,
    grid: Grid,
    tilts_deg: torch.Tensor,
    recipe: Recipe,
) -> torch.Tensor:
    """Apply local motion (smooth random fields) and the in-plane part of a tilt-axis error.

    With an angle e between the true tilt axis and y, sheared views are displaced by
    e y (1 - cos) / cos along u and by e x (1 - cos) along y.
    """
    n = grid.n
    line = torch.linspace(-1, 1, n + 1)[:-1] + 1 / n
    half = grid.width_nm / 2
    cosine = torch.cos(torch.deg2rad(tilts_deg))
    error = math.radians(recipe.axis_error_deg)
    out = torch.empty_like(images)
    for i, image in enumerate(images):
        coarse = torch.from_numpy(rng.standard_normal((1, 2, 5, 5), dtype=np.float32))
        motion = F.interpolate(coarse, size=(n, n), mode="bicubic", align_corners=True)
        motion *= recipe.local_motion_nm / half
        motion -= motion.mean(dim=(2, 3), keepdim=True)
        x = line[None, :] + motion[0, 0] + error * line[:, None] * (1 - cosine[i]) / cosine[i]
        y = line[:, None] + motion[0, 1] + error * line[None, :] * (1 - cosine[i])
        place = torch.stack([x, y], dim=-1)[None]
        out[i] = F.grid_sample(
            image[None, None], place, mode="bicubic", padding_mode="reflection", align_corners=False
        )[0, 0]
    return out


def erase_beads(
    images: torch.Tensor, beads: tuple[Bead, ...], tilts_deg: torch.Tensor, grid: Grid
) -> None:
    """Replace beads and their surroundings by other pixels of the view, in place.

    Args:
        images: (n_tilts, y, x) in sheared coordinates, changed in place.
        beads: the beads.
        tilts_deg: (n_tilts,) tilt angles in degrees.
        grid: sampling of the specimen.
    """
    for view, tilt in zip(images, torch.deg2rad(tilts_deg)):
        noise = view.roll((97, 61), (0, 1)).clone()
        for bead in beads:
            z, y, x = bead.centre_nm
            u = x + z * float(torch.tan(tilt))
            reach = 1.6 * bead.radius_nm / grid.pixel_nm + 2
            rows = torch.arange(int(y / grid.pixel_nm - reach), int(y / grid.pixel_nm + reach) + 1)
            wide = reach / float(torch.cos(tilt))
            columns = torch.arange(int(u / grid.pixel_nm - wide), int(u / grid.pixel_nm + wide) + 1)
            index = (rows[:, None] % grid.n, columns % grid.n)
            view[index] = noise[index]

# SPDX-License-Identifier: GPL-3.0-or-later
"""A tilt series in detector coordinates: electron counts on square pixels, one image per view.

The images are not sheared, unlike the images of `views.py`, so that other programs can process
them. The tilt axis is along y through the middle of the image; a view at angle t projects the point
(x, z) to x cos(t) + z sin(t), as in `tomography.backprojection`. `Ageing` adds further changes of
the specimen with the dose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from tomoscore_scipion.simulation import detector, optics
from tomoscore_scipion.simulation.misalignment import residual_shifts
from tomoscore_scipion.simulation.projection import plane_spectra, project
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import Specimen
from tomoscore_scipion.simulation.tilt_scheme import TiltScheme, tilt_scheme
from tomoscore_scipion.tomography import contrast_transfer, radiation_damage


@dataclass(frozen=True)
class Ageing:
    """Changes of the specimen beyond `tomography/radiation_damage.py`; doses in e/A^2.

    Attributes:
        sensitivity: factor of the dose in the law of radiation damage.
        mass_loss_dose: contrast at all scales falls as exp(-dose / mass_loss_dose); inf for none.
        drift_onset: dose at which drift and blur begin.
        drift_nm: standard deviation of the shift of a view in x and in y, per 100 e/A^2 beyond the
            onset; the alignment does not correct it.
        blur_nm: sigma of a Gaussian blur of a view, per 100 e/A^2 beyond the onset.
    """

    sensitivity: float = 1.0
    mass_loss_dose: float = math.inf
    drift_onset: float = 0.0
    drift_nm: float = 0.0
    blur_nm: float = 0.0


@dataclass(frozen=True)
class Stack:
    """A simulated tilt series, views sorted by angle.

    Attributes:
        counts: (n_views, y, x) float32, electrons per pixel; dense matter is dark at underfocus.
        scheme: angles and doses.
        pixel_nm: pixel size of the images and of the specimen.
    """

    counts: torch.Tensor
    scheme: TiltScheme
    pixel_nm: float


def take_stack(
    rng: np.random.Generator, specimen: Specimen, recipe: Recipe, ageing: Ageing | None = None
) -> Stack:
    """Record a tilt series.

    Args:
        rng: source of randomness.
        specimen: the specimen; periodic, so that it fills the field at every angle.
        recipe: parameters of imaging. Only tilts, order, dose, defocus, amplitude contrast, mean
            free path, energy filter, quantum efficiency, damage, misalignment and drift are used.
        ageing: further changes with the dose; None for none.
    """
    ageing = ageing or Ageing()
    scheme = tilt_scheme(recipe)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    shifts = residual_shifts(rng, scheme.tilts_deg, recipe)
    beyond = (scheme.dose_middle - ageing.drift_onset).clamp_min(0) / 100
    wander = torch.from_numpy(rng.standard_normal((len(beyond), 2))).float()
    shifts = shifts + ageing.drift_nm * beyond[:, None] * wander
    images = _contrast(specimen, scheme, recipe, ageing, shifts, ageing.blur_nm * beyond)
    counts = _counts(specimen, scheme, recipe)
    shape = (specimen.grid.n, specimen.grid.n)
    images += 1 + detector.shot_noise(counts, shape, generator)
    return Stack(images * counts[:, None, None], scheme, specimen.grid.pixel_nm)


def _contrast(
    specimen: Specimen,
    scheme: TiltScheme,
    recipe: Recipe,
    ageing: Ageing,
    shifts_nm: torch.Tensor,
    blur_nm: torch.Tensor,
) -> torch.Tensor:
    """Noise-free images of mean 0 on the detector, (n_views, y, x)."""
    grid = specimen.grid
    kx, ky = grid.kx(), grid.ky()
    spectra = project(
        plane_spectra(specimen.scatter), specimen.heights_nm(), kx, ky, scheme.tilts_deg
    )
    images = torch.empty((len(scheme.tilts_deg), grid.n, grid.n))
    for view, tilt in enumerate(torch.deg2rad(scheme.tilts_deg.double()).tolist()):
        across = kx / math.cos(tilt)
        frequency = torch.hypot(ky[:, None], across[None, :])
        dose = ageing.sensitivity * scheme.dose_middle[view]
        transfer = (
            -2
            * optics.phase_per_density_nm()
            * contrast_transfer.ctf(frequency, recipe.defocus_nm, recipe.amplitude_contrast)
        )
        if recipe.damage:
            transfer = transfer * radiation_damage.surviving_amplitude(frequency, dose)
        transfer = transfer * math.exp(-float(scheme.dose_middle[view]) / ageing.mass_loss_dose)
        transfer = transfer * torch.exp(-2 * (math.pi * frequency * blur_nm[view]) ** 2)
        if not recipe.energy_filter:
            transfer = transfer * optics.transmitted(
                specimen.ice_nm, scheme.tilts_deg[view], recipe.mean_free_path_nm
            )
        transfer = transfer * (across <= 0.5 / grid.pixel_nm)
        transfer[0, 0] = 0.0
        images[view] = _on_detector(
            spectra[view] * transfer, kx, tilt, grid.n, grid.pixel_nm, shifts_nm[view]
        )
    return images


def _on_detector(
    spectrum: torch.Tensor,
    kx: torch.Tensor,
    tilt: float,
    n: int,
    pixel_nm: float,
    shift_nm: torch.Tensor,
) -> torch.Tensor:
    """The detector image (y, x) of a sheared spectrum (ky, kx) with columns u = x' / cos(tilt)."""
    ky = torch.fft.fftfreq(n, pixel_nm)
    along = torch.polar(torch.ones(n), -2 * math.pi * ky * float(shift_nm[0]))
    rows = torch.fft.ifft(spectrum * along[:, None], dim=0)
    middle = (n - 1) / 2
    columns = (torch.arange(n) - middle) * pixel_nm - float(shift_nm[1])
    column_position = columns.double() / math.cos(tilt) + middle * pixel_nm
    phase = 2 * math.pi * kx.double()[:, None] * column_position
    waves = torch.polar(torch.ones_like(phase), phase).to(torch.complex64)
    twice = torch.full((len(kx), 1), 2.0)
    twice[0] = twice[-1] = 1.0
    return (rows @ (waves * twice)).real / n


def _counts(specimen: Specimen, scheme: TiltScheme, recipe: Recipe) -> torch.Tensor:
    """Detected electrons per pixel and view, (n_views,)."""
    dose = torch.full_like(scheme.tilts_deg, scheme.dose_per_view * recipe.quantum_efficiency)
    if recipe.energy_filter:
        dose = dose * optics.transmitted(
            specimen.ice_nm, scheme.tilts_deg, recipe.mean_free_path_nm
        )
    return dose * detector.ANGSTROM2_PER_NM2 * specimen.grid.pixel_nm**2

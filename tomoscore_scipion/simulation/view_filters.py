# SPDX-License-Identifier: GPL-3.0-or-later
"""Radial filters of a tomogram, applied to its views, which is equivalent by the slice theorem.

Frequencies are on the detector, in 1/nm, (n_tilts, n_ky, n_kx), as in `views.Views`.
"""

from __future__ import annotations

import math

import torch

from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.tomography import contrast_transfer

MTF_PERIOD_NM = 3.0
"""Period in nm for the amplitudes `Recipe.signal_mtf` and `Recipe.noise_mtf`."""
HIGHPASS_NYQUIST = 0.02
"""End of the high-pass of the deconvolution filter, as a fraction of Nyquist."""


def detector_transfer(frequency: torch.Tensor, recipe: Recipe, at_nyquist: float) -> torch.Tensor:
    """Modulation transfer function of a detector.

    The sinc describes averaging over a pixel; its noise stays white through aliasing (`noise_mtf`
    of 1). The Gaussian describes a scintillator.

    Args:
        frequency: (n_tilts, n_ky, n_kx) in 1/nm.
        recipe: shape of the transfer function.
        at_nyquist: amplitude at a period of `MTF_PERIOD_NM`, 0 to 1.

    Returns:
        Amplitudes of the same shape, 0 to 1.
    """
    relative = frequency * MTF_PERIOD_NM
    if recipe.mtf_shape == "sinc":
        width = _sinc_width(at_nyquist)  # constant beyond the first zero
        return torch.sinc((relative * width).clamp(max=1.0)).clamp_min(1e-3)
    return torch.exp(math.log(at_nyquist) * relative**2).clamp_min(1e-3)


def _sinc_width(at_nyquist: float) -> float:
    """The x, 0 to 1, at which sin(pi x) / (pi x) is `at_nyquist`."""
    low, high = 1e-6, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        above = math.sin(math.pi * middle) / (math.pi * middle) > at_nyquist
        low, high = (middle, high) if above else (low, middle)
    return low


def interpolation_transfer(frequency: torch.Tensor, pixel_nm: float, kind: str) -> torch.Tensor:
    """Mean attenuation along one axis by interpolation of rotated and shifted images.

    Linear: squared sinc. Cubic: Keys, IEEE Trans. ASSP 29, 1153 (1981), with a = -0.5.

    Args:
        frequency: frequencies along the axis in 1/nm.
        pixel_nm: pixel size in nm.
        kind: "linear" or "cubic".

    Returns:
        Amplitudes of the same shape.
    """
    x = (frequency.abs() * pixel_nm).clamp(max=1.0)
    if kind == "linear":
        return torch.sinc(x) ** 2
    s, double = torch.sinc(x), torch.sinc(2 * x)
    phase = (math.pi * x).clamp_min(1e-3)
    main = 3 / phase**2 * (s**2 - double)
    tail = 2 / phase**2 * (3 * double**2 - 2 * double - torch.sinc(4 * x))
    cubic = (main - 0.5 * tail).clamp(0, 1.1)
    return torch.where(x < 0.05, torch.ones_like(x), cubic)


def recipe_transfer(frequency: torch.Tensor, recipe: Recipe) -> torch.Tensor | None:
    """Product of CTF correction, deconvolution and band-pass of a recipe; None if it has none."""
    factors = []
    ctf = contrast_transfer.ctf(frequency, recipe.defocus_nm, recipe.amplitude_contrast)
    if recipe.ctf_correction == "phase_flip":
        factors.append(torch.sign(ctf))
    elif recipe.ctf_correction == "multiply":
        factors.append(ctf)
    elif recipe.ctf_correction == "wiener":
        snr = 10.0 ** (1 + recipe.strength) * torch.exp(-frequency * 8)
        factors.append(ctf / (ctf**2 + 1 / snr))
    if recipe.deconvolution_strength:
        corrected = recipe.ctf_correction == "phase_flip"
        factors.append(deconvolution(frequency, ctf.abs() if corrected else ctf, recipe))
    if recipe.band_pass != "none":
        factors.append(band_pass(frequency, recipe))
    if not factors:
        return None
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


def deconvolution(frequency: torch.Tensor, ctf: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The Wiener-like filter of tom_deconv, which Warp and IsoNet use too.

    ctf / (ctf^2 + 1 / snr), with snr = exp(-100 f falloff / angpix) 10^(3 strength) (1 - cos(pi
    min(1, f / 0.02))), f the frequency over Nyquist and angpix the voxel in angstrom: tom_deconv.m
    by D. Tegunov (github.com/dtegunov/tom_deconv); Tegunov and Cramer, Nat. Methods 16, 1146
    (2019).

    Args:
        frequency: (n_tilts, n_ky, n_kx) in 1/nm.
        ctf: contrast transfer, (n_tilts, n_ky, n_kx).
        recipe: strength and falloff.

    Returns:
        Filter of the same shape.
    """
    relative = (frequency * 2 * recipe.voxel_nm).clamp(max=1.0)
    highpass = 1 - torch.cos(math.pi * (relative / HIGHPASS_NYQUIST).clamp(max=1.0))
    decay = 100 * recipe.deconvolution_falloff / (10 * recipe.voxel_nm)
    snr = torch.exp(-relative * decay) * 10 ** (3 * recipe.deconvolution_strength) * highpass
    return ctf / (ctf**2 + 1 / snr.clamp_min(1e-9))


def band_pass(frequency: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Gaussian or fourth-order Butterworth band-pass, 0.5 at the two periods of a recipe."""
    low = frequency * recipe.band_low_nm
    high = frequency * recipe.band_high_nm
    if recipe.band_pass == "gaussian":
        return (1 - 0.5 ** (low**2)) * 0.5 ** (high**2)
    passed = 1 / (1 + 3 * high**8).sqrt()
    return passed * (1 - 1 / (1 + 3 * low**8).sqrt())

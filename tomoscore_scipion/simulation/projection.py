# SPDX-License-Identifier: GPL-3.0-or-later
"""Parallel-beam projections of a periodic specimen, exact in Fourier space.

The tilt axis is y. Tilt images have *sheared* coordinates: the detector coordinate x' is replaced
by u = x' / cos(tilt), the position where the ray crosses the plane z = 0. In these coordinates a
plane at height z is shifted by z tan(tilt), so the spectrum of a projection is a sum over planes,

    P(kx, ky) = 1 / cos(tilt) * sum_z V(kx, ky; z) exp(-2 pi i kx z tan(tilt)) dz,

which is one matrix product per kx. The frequency on the detector is kx / cos(tilt).
"""

from __future__ import annotations

import math

import torch


def plane_spectra(volume: torch.Tensor) -> torch.Tensor:
    """rfft2 of every plane of a (z, y, x) volume, as (kx, z, ky) complex64 for `project`."""
    spectra = torch.empty(
        (volume.shape[2] // 2 + 1, volume.shape[0], volume.shape[1]), dtype=torch.complex64
    )
    for z, plane in enumerate(volume):
        spectra[:, z] = torch.fft.rfft2(plane).T
    return spectra


def project(
    spectra: torch.Tensor,
    heights_nm: torch.Tensor,
    kx: torch.Tensor,
    ky: torch.Tensor,
    tilts_deg: torch.Tensor,
    axis_error_deg: float = 0.0,
) -> torch.Tensor:
    """Spectra of the projections in sheared coordinates.

    Args:
        spectra: (n_kx, n_z, n_ky) from `plane_spectra`.
        heights_nm: (n_z,), equally spaced.
        kx: (n_kx,) in 1/nm.
        ky: (n_ky,) in 1/nm.
        tilts_deg: (n_tilts,), between -80 and 80.
        axis_error_deg: angle between the true tilt axis and y. Its effect on heights is computed in
            eight sheets, exact to second order in the angle.

    Returns:
        (n_tilts, n_ky, n_kx) complex64, density times nm along the beam.
    """
    tangent = torch.tan(torch.deg2rad(tilts_deg.double()))
    thickness = float(heights_nm[1] - heights_nm[0]) / torch.cos(torch.deg2rad(tilts_deg.double()))
    error = math.radians(axis_error_deg)
    sheets = 1 if axis_error_deg == 0 else 8
    total = torch.zeros((len(kx), len(tangent), len(ky)), dtype=torch.complex64)
    for part in torch.arange(len(heights_nm)).tensor_split(sheets):
        if not len(part):
            continue
        z = heights_nm[part].double()
        phase = kx.double()[:, None, None] * math.cos(error) * tangent[:, None] * z
        shear = torch.polar(torch.ones_like(phase), -2 * math.pi * phase).to(torch.complex64)
        sheet = torch.bmm(shear, spectra[:, part])
        if axis_error_deg:
            across = ky.double() * math.sin(error) * float(z.mean()) * tangent[:, None]
            sheet *= torch.polar(torch.ones_like(across), -2 * math.pi * across).to(torch.complex64)
        total += sheet
    return total.permute(1, 2, 0) * thickness[:, None, None].float()

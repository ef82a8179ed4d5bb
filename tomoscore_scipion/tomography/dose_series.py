# SPDX-License-Identifier: GPL-3.0-or-later
"""An aligned tilt series with doses, and preparation of its views for the dose analysis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import torch

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.exposures import Exposures
from tomoscore_scipion.tilt_metadata.optics import Optics
from tomoscore_scipion.tomography import contrast_transfer, fourier
from tomoscore_scipion.tomography.radiation_damage import surviving_amplitude
from tomoscore_scipion.tomography.tilt_series import TiltSeries, aligned_views


@dataclass(frozen=True)
class DoseSeries:
    """A tilt series with the doses of its views; excluded views are removed.

    Attributes:
        tilts: images, angles and alignment of the views.
        exposures: doses of the views.
        optics: contrast transfer of the views; None if unknown.
        stack_shape_zyx: shape of the whole stack.
        warnings: messages to the user about the input.
    """

    tilts: TiltSeries
    exposures: Exposures
    optics: Optics | None = None
    stack_shape_zyx: tuple[int, int, int] = (0, 0, 0)
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.exposures.per_view) != len(self.tilts.views):
            raise ValueError(
                f"expected doses of {len(self.tilts.views)} views, got "
                f"{len(self.exposures.per_view)}"
            )


def aligned_images(
    series: DoseSeries,
    voxel_angstrom: float,
    flip_phases: bool,
    device: torch.device,
    warn: Callable[[str], None] | None = None,
) -> torch.Tensor:
    """The aligned views at a given pixel size, mean 0, optionally with flipped phases.

    Args:
        series: the tilt series.
        voxel_angstrom: pixel size of the result in angstrom.
        flip_phases: whether to correct the phase reversals of the CTF.
        device: device of the result.
        warn: called with a warning as in `aligned_views`; None for no warnings.

    Returns:
        (n_views, y, x) float32.

    Raises:
        TomogramError: the stack cannot be read, or the defocus is unknown.
    """
    images = aligned_views(series.tilts, voxel_angstrom, device, warn)
    if not flip_phases:
        return images
    optics = series.optics
    if optics is None:
        raise TomogramError(
            f"{series.tilts.path}: the defocus of its views is not known, or a phase plate was "
            "used, so that phases cannot be flipped: give the defocus in Warp's metadata "
            "(--warp-xml) or RELION's star file (--tilt-series-star), or leave --flip-phases out"
        )
    frequency = fourier.radius(images.shape[1], images.shape[2], voxel_angstrom / 10).to(device)
    wavelength = contrast_transfer.wavelength_nm(optics.voltage_kv)
    for image, defocus in zip(images, optics.defocus_nm):
        transfer = contrast_transfer.ctf(
            frequency,
            float(defocus),
            optics.amplitude_contrast,
            wavelength,
            optics.spherical_aberration_nm,
        )
        image.copy_(fourier.filtered(image, torch.sign(transfer)))
    return images


def dose_weighted(
    images: torch.Tensor, exposures: Exposures, voxel_angstrom: float
) -> torch.Tensor:
    """Multiply views by the surviving amplitude at the middle of their exposure.

    The amplitude is from Grant and Grigorieff (`tomography/radiation_damage.py`), for 300 kV. There
    is no division by the sum of squared weights, because a back-projection does not have such a
    step.

    Args:
        images: (n_views, y, x) aligned views.
        exposures: dose of each view in e/A^2.
        voxel_angstrom: pixel size of the views in angstrom.

    Returns:
        (n_views, y, x), the weighted views.
    """
    frequency = fourier.radius(images.shape[1], images.shape[2], voxel_angstrom / 10).to(
        images.device
    )
    weighted = torch.empty_like(images)
    for view, dose in enumerate(exposures.middle):
        surviving = surviving_amplitude(frequency, torch.tensor(float(dose), device=images.device))
        weighted[view] = fourier.filtered(images[view], surviving)
    return weighted

# SPDX-License-Identifier: GPL-3.0-or-later
"""Contrast transfer, ring correlation and Fourier cropping agree with teamtomo's packages."""

import numpy as np
import pytest
import torch
from torch_ctf import calculate_ctf_2d, calculate_relativistic_electron_wavelength
from torch_fourier_rescale import fourier_rescale_2d
from torch_fourier_shell_correlation import fourier_ring_correlation

from tomoscore_scipion.halves.correlation import ring_correlation
from tomoscore_scipion.records.bands import PERIODS_NM
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.truth import tile_curves
from tomoscore_scipion.tomography import fourier
from tomoscore_scipion.tomography.contrast_transfer import ctf, wavelength_nm
from tomoscore_scipion.tomography.tilt_series import fourier_crop


@pytest.mark.parametrize("voltage_kv", [100.0, 200.0, 300.0])
def test_wavelength(voltage_kv):
    expected_m = float(calculate_relativistic_electron_wavelength(1e3 * voltage_kv))
    assert wavelength_nm(voltage_kv) == pytest.approx(1e9 * expected_m, rel=1e-5)


@pytest.mark.parametrize(
    ("defocus_nm", "contrast", "voltage_kv", "cs_mm"),
    [(500.0, 0.07, 300.0, 2.7), (3000.0, 0.1, 300.0, 0.01), (6000.0, 0.07, 200.0, 2.0)],
)
def test_contrast_transfer(defocus_nm, contrast, voltage_kv, cs_mm):
    shape, pixel_nm = (96, 128), 0.5
    expected = calculate_ctf_2d(
        defocus=defocus_nm / 1000,
        astigmatism=0.0,
        astigmatism_angle=0.0,
        voltage=voltage_kv,
        spherical_aberration=cs_mm,
        amplitude_contrast=contrast,
        phase_shift=0.0,
        pixel_size=10 * pixel_nm,
        image_shape=shape,
        rfft=True,
        fftshift=False,
    )
    frequency = fourier.radius(*shape, pixel_nm)
    ours = ctf(frequency, defocus_nm, contrast, wavelength_nm(voltage_kv), cs_mm * 1e6)
    torch.testing.assert_close(ours, expected.float(), atol=1e-4, rtol=0)


def images_with_common_signal(n, seed):
    """Two images (n, n) with a correlation that falls with the frequency."""
    rng = np.random.default_rng(seed)
    signal, *noise = (np.fft.rfft2(rng.standard_normal((n, n))) for _ in range(3))
    share = np.exp(-20 * fourier.numpy_radius((n, n)) ** 2)
    return [np.fft.irfft2(share * signal + (1 - share) * part, s=(n, n)) for part in noise]


def band_means(curve, n, pixel_nm):
    """Means of a correlation per shell over TomoScore's bands, weighted by circumference."""
    shells = np.arange(len(curve))
    k = shells / (n * pixel_nm)
    masks = (k[None] >= 1 / np.array(PERIODS_NM)[:, :1]) & (
        k[None] < 1 / np.array(PERIODS_NM)[:, 1:]
    )
    return np.array([np.average(curve[m], weights=shells[m]) if m.any() else np.nan for m in masks])


def test_ring_correlation():
    n, pixel_nm = 512, 1.0
    one, other = images_with_common_signal(n, seed=1)
    expected = fourier_ring_correlation(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    ours = ring_correlation(one[None], other[None], pixel_nm)
    np.testing.assert_allclose(ours[1:], band_means(expected, n, pixel_nm)[1:], atol=0.01)
    assert ours[1] > 0.8 > 0.3 > ours[-1]


def test_truth_of_a_field_of_one_tile_is_the_ring_correlation():
    grid = Grid(n=64, pixel_nm=1.5)
    one, other = images_with_common_signal(grid.n, seed=2)
    plane, density = (torch.from_numpy(part).float() for part in (one, other))
    curves = tile_curves(plane, density, grid, dark_matter=False)
    assert curves.shape[:2] == (1, 1)
    ours = ring_correlation(one[None], other[None], grid.pixel_nm)
    np.testing.assert_allclose(curves[0, 0, 2:5], ours[2:5], atol=0.01)
    expected = fourier_ring_correlation(plane, density).numpy()
    np.testing.assert_allclose(
        curves[0, 0, 3:5], band_means(expected, grid.n, grid.pixel_nm)[3:5], atol=0.06
    )


@pytest.mark.parametrize("small", [32, 48, 80])
def test_fourier_cropping(small):
    image = torch.from_numpy(np.random.default_rng(3).standard_normal((96, 96))).float()
    k_y, k_x = fourier.axes(96, 96)
    below = ((k_y.abs() < small / 192) & (k_x < small / 192)).float()
    image = fourier.filtered(image, below)  # nothing lies at the new Nyquist frequency
    expected, _ = fourier_rescale_2d(image, target_shape=(small, small))
    spectrum = crop_spectrum(torch.fft.rfft2(image), small)
    ours = torch.fft.irfft2(spectrum, s=(small, small))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    # Cropped views keep the centre of the image, (n - 1) / 2, in place of its first pixel.
    centred = torch.fft.rfft2(fourier_crop(image, (small, small)))
    torch.testing.assert_close(centred.abs(), spectrum.abs(), atol=1e-3, rtol=1e-4)

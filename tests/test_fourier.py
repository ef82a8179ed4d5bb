# SPDX-License-Identifier: GPL-3.0-or-later
"""Frequencies agree with waves in an image; bands are annuli that do not overlap."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.records.bands import N_BANDS, PERIODS_NM
from tomoscore_scipion.tomography import fourier

SHAPES = [(8, 8), (7, 12), (12, 7), (9, 9)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wave_has_its_power_at_its_frequency(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    wave = np.cos(2 * np.pi * (2 * y / shape[0] + 3 * x / shape[1]))
    peak = np.unravel_index(np.abs(np.fft.rfft2(wave)).argmax(), np.fft.rfft2(wave).shape)
    expected = np.hypot(2 / shape[0], 3 / shape[1]) / 1.5
    assert fourier.numpy_radius(shape, 1.5)[peak] == pytest.approx(expected)
    assert float(fourier.radius(*shape, 1.5)[peak]) == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_torch_and_numpy_have_the_same_frequencies(shape):
    np.testing.assert_allclose(
        fourier.radius(*shape, 0.7), fourier.numpy_radius(shape, 0.7), rtol=1e-6
    )
    for one, other in zip(fourier.axes(*shape), fourier.numpy_axes(shape)):
        assert tuple(one.shape) == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_axes_of_volumes_broadcast_to_their_transform():
    volume = np.zeros((3, 4, 5))
    axes = fourier.numpy_axes(volume.shape)
    assert np.broadcast_shapes(*(axis.shape for axis in axes)) == np.fft.rfftn(volume).shape


@pytest.mark.parametrize("shape", SHAPES)
def test_a_transfer_of_1_keeps_the_image_and_one_of_0_removes_it(shape):
    images = np.random.default_rng(0).standard_normal((2, *shape)).astype("f4")
    tensor = torch.from_numpy(images)
    ones, zeros = torch.ones(1, 1), torch.zeros(1, 1)
    np.testing.assert_allclose(fourier.filtered(tensor, ones), images, atol=1e-6)
    np.testing.assert_allclose(fourier.numpy_filtered(images, ones.numpy()), images, atol=1e-6)
    assert not fourier.filtered(tensor, zeros).any()
    assert fourier.numpy_filtered(images, zeros.numpy()).dtype == np.float32


def test_bands_are_annuli_that_do_not_overlap():
    k = torch.linspace(0, 0.5, 2001)
    masks = torch.stack(fourier.band_masks(k))
    assert masks.shape == (N_BANDS, 2001)
    assert int(masks.sum(dim=0).max()) == 1
    carried = (k >= 1 / PERIODS_NM[0][0]) & (k < 1 / PERIODS_NM[-1][1])
    assert torch.equal(masks.any(dim=0), carried)

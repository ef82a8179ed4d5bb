# SPDX-License-Identifier: GPL-3.0-or-later
"""Octaves of a whitened slice do not depend on filters, gain and background."""

import math

import numpy as np
import pytest
import torch
from small_model import CPU, canonical, filtered, speckle, white

from tomoscore_scipion.model.features import ODD, RATIOS, ratios
from tomoscore_scipion.model.inference import measure
from tomoscore_scipion.model.octaves import OCTAVES, octaves

N = 256
VOLUME = speckle((3, N, N), seed=1)
EVEN = [place for place in range(len(RATIOS)) if place not in ODD]
FILTERS = {
    "r^-1": lambda k: np.maximum(k, 1 / 400) ** -1.0,
    "r^-0.5": lambda k: np.maximum(k, 1 / 400) ** -0.5,
    "r^+0.5": lambda k: k**0.5,
    "gaussian low-pass": lambda k: np.exp(-0.5 * (k / 0.15) ** 2),
}
TOLERANCE = 0.05
"""Allowed mean change of ratios by a filter: the whitening has two bins per octave."""


def of_slice(volume, voxel_nm=1.5):
    """Ratios of a slice, all tiles together, (OCTAVES, N_RATIOS)."""
    measured = measure(canonical(volume, voxel_nm), CPU)
    share = measured.weight / measured.weight.sum()
    return ratios((measured.means * share[..., None, None]).sum(dim=(0, 1)))


def assert_ratios(found, expected, tolerance):
    difference = (found - expected).abs()
    assert float(difference.mean()) < tolerance / 3
    assert float(difference.max()) < 3 * tolerance


@pytest.mark.parametrize("name", FILTERS)
def test_radial_filters_do_not_change_the_ratios(name):
    changed = of_slice(filtered(VOLUME, FILTERS[name]))
    assert_ratios(changed, of_slice(VOLUME), TOLERANCE)


@pytest.mark.parametrize(("gain", "offset"), [(1e-6, 0), (250, -1000), (3, 700)])
def test_gain_and_offset_do_not_change_octaves(gain, offset):
    assert_ratios(of_slice(gain * VOLUME + offset), of_slice(VOLUME), 2e-3)


def test_a_linear_background_does_not_change_octaves():
    y, x = np.mgrid[:N, :N] / N
    assert_ratios(of_slice(VOLUME + 20 * y - 7 * x), of_slice(VOLUME), 0.01)


def test_inverted_contrast_changes_the_sign_of_the_odd_ratios_only():
    found, expected = of_slice(-VOLUME), of_slice(VOLUME)
    torch.testing.assert_close(found[:, EVEN], expected[:, EVEN], atol=2e-3, rtol=0)
    torch.testing.assert_close(found[:, list(ODD)], -expected[:, list(ODD)], atol=5e-3, rtol=0)


TURNS = {
    "flip y": lambda a: np.flip(a, -2),
    "flip x": lambda a: np.flip(a, -1),
    "transpose": lambda a: np.swapaxes(a, -1, -2),
    "quarter turn": lambda a: np.rot90(a, axes=(-2, -1)),
}


@pytest.mark.parametrize("shape", [(192, 192), (200, 230)])
@pytest.mark.parametrize("name", TURNS)
def test_flips_and_rotations_of_a_slice_flip_and_rotate_its_tiles(name, shape):
    volume = speckle((3, *shape), seed=4)
    turn = TURNS[name]
    one, other = (measure(canonical(v), CPU) for v in (volume, turn(volume).copy()))
    expected = turn(ratios(one.means).permute(2, 3, 0, 1).numpy())
    found = ratios(other.means).permute(2, 3, 0, 1).numpy()
    np.testing.assert_allclose(found, expected, atol=5e-3)
    np.testing.assert_allclose(other.weight, turn(one.weight.numpy()), atol=1e-5)
    torch.testing.assert_close(other.persistence, one.persistence, atol=1e-3, rtol=0)


@pytest.mark.parametrize("number", range(OCTAVES))
def test_a_wave_raises_the_power_of_its_octave_only(number):
    period = 4.0 * 2 ** (number + 0.5)
    wave = 2 * np.sin(2 * np.pi * 1.5 * np.arange(384) / period)
    noise = white((384, 384), seed=3)
    plain, waved = (
        measure(canonical(v[None]), CPU).log_power for v in (noise, (noise + wave).astype("f4"))
    )
    rise = waved - plain
    assert int(rise.argmax()) == number
    others = torch.cat([rise[:number], rise[number + 1 :]])
    assert float(rise[number] - others.max()) > 0.3


def test_a_wave_is_coherent_in_its_octave_and_noise_is_not():
    place = RATIOS.index("coherence_tile")
    wave = 3 * np.sin(2 * np.pi * 1.5 * np.arange(384) / 11.3)
    found = of_slice((white((384, 384), seed=3) + wave).astype("f4")[None])[:, place]
    assert int(found.argmax()) == 1
    assert float(found[1]) > 0.8
    assert float(found[[0, 2]].max()) < 0.45


def smooth_field(voxel_nm, width_nm=416.0, seed=7):
    """The same random density, with periods from 6 to 200 nm, sampled at a voxel size."""
    n = round(width_nm / voxel_nm)
    rng = np.random.default_rng(seed)
    top = round(width_nm / 6.0)
    modes = rng.standard_normal((2 * top + 1, top + 1)) * np.exp(
        2j * np.pi * rng.random((2 * top + 1, top + 1))
    )
    ky = np.arange(-top, top + 1)[:, None]
    radius = np.hypot(ky, np.arange(top + 1))
    modes *= (radius <= top) / np.maximum(radius, 2)
    spectrum = np.zeros((n, n // 2 + 1), dtype=complex)
    spectrum[ky[:, 0] % n, : top + 1] = modes
    # Pixel i of every sampling has its centre at (i + 0.5) voxels.
    shift = np.exp(1j * np.pi / n * np.fft.fftfreq(n, 1 / n))[:, None]
    shift = shift * np.exp(1j * np.pi / n * np.arange(n // 2 + 1))
    return (np.fft.irfft2(spectrum * shift, s=(n, n)) * n * n).astype(np.float32)


@pytest.mark.parametrize("voxel_nm", [1.0, 1.3, 2.0])
def test_another_sampling_of_the_same_image_has_the_same_octaves(voxel_nm):
    one, other = (of_slice(smooth_field(v)[None], v) for v in (1.6, voxel_nm))
    # The finest octave has periods of 6 to 8 nm only, and the coarsest few waves.
    assert_ratios(other[1:4], one[1:4], TOLERANCE)


def test_an_octave_does_not_change_if_finer_ones_are_removed():
    for number in (1, 2, 3):
        edge = 1 / (4.0 * 2 ** (number - 0.5))
        coarse = filtered(VOLUME, lambda k, edge=edge: (k < edge).astype(float))
        # Without the finer octaves only the spread of the slice changes, not that of the octave.
        found, expected = of_slice(coarse), of_slice(VOLUME)
        assert_ratios(found[number:], expected[number:], TOLERANCE)


def test_octaves_have_robust_spread_1_and_outliers_are_compressed():
    spiked = VOLUME.copy()
    spiked[:, 100:103, 100:103] = 1e4
    for volume in (VOLUME, spiked):
        for octave in octaves(canonical(volume), CPU)[:3]:
            values = octave.images[0][octave.valid > 0]
            low, high = torch.quantile(values, torch.tensor([0.16, 0.84])).tolist()
            assert (high - low) / 2 == pytest.approx(1, abs=0.05)
            assert float(octave.images.abs().max()) < 4 + math.log(1e5)


def test_every_octave_has_half_the_pixels_of_the_finer_one_and_all_channels():
    found = octaves(canonical(speckle((9, 160, 224))), CPU)
    assert len(found) == OCTAVES
    shapes = [octave.images.shape for octave in found]
    assert all(shape[0] == 4 for shape in shapes)
    for finer, coarser in zip(shapes, shapes[1:]):
        assert (finer[1], finer[2]) == (2 * coarser[1], 2 * coarser[2])
    assert [octave.cell_px for octave in found] == [32, 16, 8, 4, 2]
    assert not found[0].images[3].any(), "9 planes hold no neighbours at 24 nm"

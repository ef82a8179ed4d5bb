# SPDX-License-Identifier: GPL-3.0-or-later
"""The true resolvability: near 1 without degradation, near 0 for noise; its sign and its bands."""

import math

import numpy as np
import pytest
import torch
from small_worlds import GRID, PERFECT, crowded, texture, wave

from tomoscore_scipion.model.aggregation import specimen_fraction, weighted_curve
from tomoscore_scipion.records.bands import N_BANDS, tomoscore
from tomoscore_scipion.simulation.acquisition import Microscope
from tomoscore_scipion.simulation.grid import Grid, crop_spectrum
from tomoscore_scipion.simulation.truth import plane_density, tile_content, tile_curves

WIDE = Grid(n=256)


def noise(seed, n=256):
    return torch.randn((n, n), generator=torch.Generator().manual_seed(seed))


def test_the_specimen_itself_has_a_curve_of_one():
    matter = texture(0)
    assert tile_curves(matter, matter, GRID, dark_matter=False).min() > 0.97


def test_gain_and_offset_of_a_tomogram_do_not_change_its_curves():
    matter = texture(1)
    curves = tile_curves(3 * matter + noise(0, 128), matter, GRID, False)
    scaled = tile_curves(700 * (3 * matter + noise(0, 128)) + 55, matter, GRID, False)
    torch.testing.assert_close(scaled, curves, rtol=1e-3, atol=1e-3)


def test_pure_noise_has_a_curve_of_zero():
    curves = [
        tile_curves(noise(50 + i), texture(i, WIDE), WIDE, True).mean(dim=(0, 1)) for i in range(8)
    ]
    assert torch.stack(curves).mean(dim=0).abs().max() < 0.08


def test_curves_have_the_sign_of_the_contrast():
    matter = texture(2)
    dark = tile_curves(-matter, matter, GRID, dark_matter=True)
    assert dark.min() > 0.97
    torch.testing.assert_close(tile_curves(-matter, matter, GRID, dark_matter=False), -dark)


def test_empty_regions_have_no_resolvability():
    empty = torch.zeros((256, 256))
    assert tile_curves(noise(0), empty, WIDE, True).abs().max() == 0


def test_a_constant_plane_has_finite_zero_resolvability():
    assert tile_curves(torch.ones((128, 128)), texture(0), GRID, True).abs().max() < 1e-3


def test_resolvability_is_local():
    matter = texture(3, WIDE)
    half = matter.clone()
    half[:, 128:] = noise(1)[:, 128:] * matter.std() * 4
    fine = tile_curves(half, matter, WIDE, False)[..., 3]  # 16 to 8 nm
    assert fine[:, 0].mean() > 0.85
    assert fine[:, -1].abs().mean() < 0.3


def test_matter_with_the_variance_of_the_floor_counts_by_half_of_its_power():
    plane = wave(12.0, math.sqrt(2 * 3e-4))
    curves = tile_curves(plane, plane, GRID, False)
    torch.testing.assert_close(
        curves[..., 3], torch.full((3, 3), math.sqrt(0.5)), rtol=0, atol=2e-3
    )


@pytest.mark.parametrize(
    ("period_nm", "band"), [(96, 0), (48, 1), (24, 2), (12, 3), (6, 4), (3.2, 5)]
)
def test_a_wave_counts_in_the_band_of_its_period(period_nm, band):
    plane = wave(period_nm, 0.5)
    mean = tile_curves(plane, plane, GRID, False).mean(dim=(0, 1))
    expected = torch.zeros(N_BANDS)
    expected[band] = 1.0
    torch.testing.assert_close(mean, expected, rtol=0, atol=0.01)


def test_known_noise_gives_the_known_correlation():
    """White noise of the matter's power in a band: R = 1 / sqrt(2)."""
    matter = noise(4) * 0.3
    curves = tile_curves(matter + noise(5) * 0.3, matter, WIDE, False).mean(dim=(0, 1))
    assert curves[3:].tolist() == pytest.approx([math.sqrt(0.5)] * 3, abs=0.03)


def test_a_coarser_tomogram_keeps_the_bands_that_it_carries_and_no_others():
    matter = texture(6)
    coarse = torch.fft.irfft2(crop_spectrum(torch.fft.rfft2(matter), 48), s=(48, 48))  # 4 nm
    mean = tile_curves(coarse, matter, GRID, False).mean(dim=(0, 1))
    assert mean[:4].min() > 0.95
    assert mean[4:].abs().max() < 1e-4


def test_a_noise_free_reconstruction_is_limited_by_the_missing_wedge_only():
    specimen = crowded()
    acquisition = Microscope(specimen).acquire(np.random.default_rng(0), PERFECT, headroom=1.0)
    z = acquisition.n_z // 2
    mean = acquisition.truth(acquisition.planes([z])[0], z).mean(dim=(0, 1))
    assert mean[1:4].min() > 0.5
    assert mean.max() < 0.95


def test_density_of_a_plane_is_the_mean_over_its_thickness():
    density = torch.arange(10.0)[:, None, None].expand(10, 4, 4)
    middle = [float(plane_density(density, 0.0, t, 1.5)[0, 0]) for t in (1.5, 3.0, 6.0)]
    assert middle == pytest.approx([4.5, 4.5, 4.5])
    assert float(plane_density(density, 0.75, 1.5, 1.5)[0, 0]) == pytest.approx(5.0)
    assert float(plane_density(density, 0.75, 3.0, 1.5)[0, 0]) == pytest.approx(5.0)
    # The upper half of the last plane's surroundings is ice.
    assert float(plane_density(density, 7.5, 1.5, 1.5)[0, 0]) == pytest.approx(4.5)
    assert float(plane_density(density, 90.0, 1.5, 1.5).abs().max()) == 0


# Content


def test_content_is_a_half_at_its_variance_in_the_band_of_the_wave_only():
    plane = wave(12.0, math.sqrt(2 * 3e-3))
    content = tile_content(plane, GRID, 1.5).mean(dim=(0, 1))
    expected = torch.zeros(N_BANDS)
    expected[3] = 0.5
    torch.testing.assert_close(content, expected, rtol=0, atol=0.01)


def test_content_lies_between_0_and_1():
    assert not tile_content(torch.zeros((128, 128)), GRID, 1.5).any()
    full = tile_content(10 * texture(1), GRID, 1.5)
    assert full.shape == (3, 3, N_BANDS)
    assert 0.95 < float(full.min()) <= float(full.max()) <= 1


def test_bands_beyond_nyquist_have_no_content():
    content = tile_content(texture(1), GRID, 4.2)
    assert not content[..., 4:].any()
    assert float(content[..., :4].min()) > 0


def scored(plane, density, grid):
    curves, content = tile_curves(plane, density, grid, False), tile_content(density, grid, 1.5)
    flat = (part.reshape(-1, N_BANDS).numpy() for part in (curves, content))
    return float(tomoscore(weighted_curve(*flat))), specimen_fraction(
        content.reshape(-1, N_BANDS).numpy()
    )


def test_a_sharp_object_in_a_large_empty_field_scores_like_the_object_alone():
    large = Grid(n=512)
    noise_of = 0.05 * noise(11, 512)
    matter = torch.zeros((512, 512))
    matter[192:320, 192:320] = texture(3)
    field, share = scored(matter + noise_of, matter, large)
    alone, all_of_it = scored(texture(3) + noise_of[192:320, 192:320], texture(3), GRID)
    assert field == pytest.approx(alone, abs=0.5)
    assert field > 3
    assert (all_of_it, share < 0.4) == (1.0, True)


def test_an_empty_field_scores_0():
    assert scored(noise(12), torch.zeros((256, 256)), WIDE) == (0.0, 0.0)

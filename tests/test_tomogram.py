# SPDX-License-Identifier: GPL-3.0-or-later
"""From tiles to a tomogram: the slab, its curve, its score and its interval."""

import numpy as np
import pytest
import torch
from small_model import curves_of

from tomoscore_scipion.model.aggregation import (
    CONTENT_FLOOR,
    bootstrap_sd,
    slab_ends,
    slab_planes,
    slab_weights,
    slice_content,
    slice_curve,
    specimen_fraction,
    summarise,
    usable_tiles,
    weighted_curve,
)
from tomoscore_scipion.model.inference import SliceCurves
from tomoscore_scipion.model.interval import own_error, smallness
from tomoscore_scipion.records.bands import N_BANDS, tomoscore

SHARE = np.ones(N_BANDS)
FULL = 1 / (1 + CONTENT_FLOOR)
"""Factor by which the content floor reduces R of tiles full of matter."""
CALIBRATION = {"score": [0, 5], "below": [0.6, 0.6], "above": [0.4, 0.4]}


def summary(levels, share=SHARE, calibration=CALIBRATION, n_z=None, **options):
    return summarise(
        curves_of(levels, **options), (0, (n_z or len(levels)) - 1), share, calibration
    )


# Slab


@pytest.mark.parametrize(
    ("below", "inside", "above"), [(8, 8, 8), (0, 12, 12), (14, 10, 0), (7, 6, 11)]
)
def test_the_slab_is_found_between_empty_slices(below, inside, above):
    levels = [0.0] * below + [0.5] * inside + [0.0] * above
    assert summary(levels).slab_z == (below, below + inside - 1)


@pytest.mark.parametrize("inside", [4, 5, 8, 16])
def test_empty_slices_do_not_lower_the_score_of_a_thin_lamella(inside):
    empty = (24 - inside) // 2
    thin = summary([0.0] * empty + [0.5] * inside + [0.0] * empty)
    assert thin.score == pytest.approx(summary([0.5] * inside).score, abs=0.15)


def test_the_slab_of_a_tomogram_full_of_specimen_is_the_whole_volume():
    assert summary([0.4, 0.5, 0.6, 0.5, 0.45, 0.4]).slab_z == (0, 5)


@pytest.mark.parametrize("level", [0.0, -0.2, 0.02])
def test_an_empty_tomogram_keeps_its_whole_range_and_scores_0(level):
    found = summary([level] * 12, n_z=60)
    assert found.slab_z == (0, 59)
    assert found.score == 0


def test_a_poor_slice_inside_does_not_end_the_slab():
    levels = [0] * 3 + [0.5] * 4 + [0.0] + [0.5] * 4 + [0] * 3
    assert summary(levels).slab_z == (3, 11)


def test_a_single_isolated_slice_is_not_in_the_slab():
    levels = [0.0] * 3 + [0.6] + [0.0] * 4 + [0.5] * 12 + [0.0] * 4
    assert summary(levels).slab_z == (8, 19)


def test_the_slab_is_mirrored_with_the_volume():
    rng = np.random.default_rng(0)
    for _ in range(20):
        curves = rng.uniform(-0.2, 0.7, (15, 4, 1)) * np.ones(N_BANDS)
        tiles = list(zip(curves, rng.uniform(0, 1, curves.shape)))
        weights = slab_weights(tiles, SHARE)
        first, last = slab_ends(weights)
        mirrored = slab_weights(tiles[::-1], SHARE)
        np.testing.assert_allclose(mirrored, weights[::-1])
        assert slab_ends(mirrored) == (14 - last, 14 - first)


def test_bands_beyond_nyquist_do_not_affect_the_slab():
    curves = np.zeros((12, N_BANDS))
    curves[3:9, :2] = 0.6
    curves[:, 3:] = 0.9
    tiles = [(curve[None], np.ones((1, N_BANDS))) for curve in curves]
    assert slab_ends(slab_weights(tiles, np.array([1, 1, 1, 0, 0, 0]))) == (3, 8)


def test_slices_without_content_are_outside_the_slab():
    tiles = [(np.full((4, N_BANDS), 0.6), np.full((4, N_BANDS), c)) for c in [0.05] * 3 + [0.9] * 5]
    assert slab_ends(slab_weights(tiles, SHARE)) == (3, 7)


def test_slices_at_the_ends_count_by_their_visible_structure():
    levels = [0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.1, 0.4, 0.3, 0.2, 0.1, 0.0]
    tiles = [(np.full((4, N_BANDS), level), np.ones((4, N_BANDS))) for level in levels]
    np.testing.assert_allclose(
        slab_weights(tiles, SHARE), [0, 0, 0.5, 1, 1, 1, 1, 1, 1, 1, 0.5, 0, 0], atol=1e-6
    )


def test_the_score_has_no_jump_where_a_slice_enters_the_slab():
    scores = [summary([0.5] * 6 + [level] * 6).score for level in np.arange(0, 0.5, 0.005)]
    assert np.abs(np.diff(scores)).max() < 0.08
    assert np.ptp(scores) > 0.5


def test_the_slab_of_one_scored_slice_is_the_whole_volume():
    assert summary([0.5], n_z=1).slab_z == (0, 0)
    assert summary([0.5], n_z=7).slab_z == (0, 6)


@pytest.mark.parametrize("z", [[1, 4, 7, 10], [0, 3, 4, 9], [2, 4, 6, 8]])
def test_adjacent_slabs_cover_the_volume(z):
    z, n_z = np.array(z), 12
    for cut in range(1, len(z)):
        low = slab_planes(z, 0, cut - 1, (0, n_z - 1))
        high = slab_planes(z, cut, len(z) - 1, (0, n_z - 1))
        assert low[0] == 0
        assert high[1] == n_z - 1
        # They meet half-way; a plane exactly there belongs to both.
        assert low[1] == (z[cut - 1] + z[cut]) // 2
        assert high[0] == -(-(z[cut - 1] + z[cut]) // 2)


def test_a_slab_ends_where_the_sampled_planes_end():
    z = np.array([11, 14, 17])
    assert slab_planes(z, 0, 2, (10, 18)) == (10, 18)
    assert slab_planes(z, 1, 1, (10, 18)) == (13, 15)


def test_planes_of_a_slab_are_mirrored_with_the_volume():
    z, n_z = np.array([1, 4, 6, 11, 12]), 15
    for first in range(5):
        for last in range(first, 5):
            low, high = slab_planes(z, first, last, (0, n_z - 1))
            turned = slab_planes(n_z - 1 - z[::-1], 4 - last, 4 - first, (0, n_z - 1))
            assert turned == (n_z - 1 - high, n_z - 1 - low)


# Curve and score


def test_curve_is_the_signed_mean_weighted_by_content_and_gives_the_score():
    slices = curves_of([0.5] * 6, spread=0.3)
    rng = np.random.default_rng(3)
    for one in slices:
        one.content[:] = torch.from_numpy(rng.random(one.content.shape))
    found = summarise(slices, (0, 5), SHARE, CALIBRATION)
    curves, content = (
        np.concatenate([getattr(one, name).numpy().reshape(-1, N_BANDS) for one in slices])
        for name in ("curves", "content")
    )
    mean = (content * curves).sum(axis=0) / (content.sum(axis=0) + 0.01 * len(curves))
    np.testing.assert_allclose(found.curve, mean, atol=1e-5)
    assert found.score == pytest.approx(float(tomoscore(mean)), abs=1e-4)


def test_a_sharp_object_in_a_large_empty_field_scores_like_the_object_alone():
    alone = summary([0.5] * 6, tiles=3)
    field = curves_of([0.0] * 6, tiles=9, content=0.0)
    for one in field:
        one.curves[3:6, 3:6], one.content[3:6, 3:6] = 0.5, 1.0
    found = summarise(field, (0, 5), SHARE, CALIBRATION)
    assert found.score == pytest.approx(alone.score, abs=0.5)
    assert found.score > 0.85 * alone.score
    assert alone.content == 1
    assert found.content == pytest.approx(1 / 9)


def test_tiles_without_content_have_no_resolvability_for_any_curve():
    found = summary([0.9] * 6, content=0.0)
    assert (found.score, found.content) == (0, 0)
    assert summary([0.9] * 6, content=1e-3).score < 0.5


def test_content_is_the_share_of_tiles_with_matter_of_any_scale_down_to_8_nm():
    content = np.zeros((10, N_BANDS))
    content[:3, 1] = 0.6
    content[3:5, 4:] = 0.9  # finer than 8 nm only
    assert specimen_fraction(content) == pytest.approx(0.3)


def test_content_of_a_slice_is_the_mean_of_its_usable_tiles():
    one = curves_of([0.5], content=0.4)[0]
    one.weight[0], one.content[0] = 0.0, 1.0
    np.testing.assert_allclose(slice_content(one), 0.4 + CONTENT_FLOOR, atol=1e-6)


def test_curves_of_slices_weighted_by_content_give_that_of_the_tomogram():
    rng = np.random.default_rng(4)
    curves, content = rng.uniform(-0.2, 0.8, (2, 12, N_BANDS))
    content = np.clip(content, 0, 1)
    parts = [slice(0, 6), slice(6, 12)]
    by_slice = np.stack([weighted_curve(curves[part], content[part]) for part in parts])
    held = np.stack([content[part].mean(axis=0) + CONTENT_FLOOR for part in parts])
    together = (by_slice * held).sum(axis=0) / held.sum(axis=0)
    np.testing.assert_allclose(together, weighted_curve(curves, content))


def test_noise_around_0_averages_out_before_it_is_clipped():
    found = summary([0.0] * 20, tiles=5, spread=0.5)
    assert float(tomoscore(np.clip(found.curve, 0, 1))) == 0
    assert found.score == 0


def test_reversed_contrast_lowers_the_curve():
    slices = curves_of([0.7, 0.7])
    slices[0].curves[..., 3] = -0.7
    found = summarise(slices, (0, 1), SHARE, CALIBRATION)
    assert found.curve[3] == pytest.approx(0, abs=1e-6)
    assert found.score == pytest.approx(4, abs=1e-5)


def test_every_scored_slice_has_a_score():
    found = summary([0.0, 0.0, 0.375, 0.375, 0.375, 0.0])
    assert found.slice_z.tolist() == [0, 1, 2, 3, 4, 5]
    seen = 5 * (0.375 * FULL - 0.15) / 0.45
    np.testing.assert_allclose(found.slice_scores, [0, 0, seen, seen, seen, 0], atol=1e-5)


def test_bands_beyond_nyquist_do_not_count():
    share = np.array([1, 1, 1, 0.5, 0, 0])
    assert summary([0.9] * 3, share=share).score == pytest.approx(3.5)


def test_tiles_without_data_are_left_out():
    one = curves_of([0.5])[0]
    one.weight[0, :] = 0.2
    one.curves[0, :] = -1
    np.testing.assert_allclose(slice_curve(one), 0.5 * FULL)
    curves, content = usable_tiles(one)
    assert curves.shape == content.shape == (6, N_BANDS)


def test_the_best_tiles_are_used_if_all_have_little_data():
    one = curves_of([0.5], weight=0.1)[0]
    one.weight[1, 1] = 0.3
    one.curves[1, 1] = 0.2
    np.testing.assert_allclose(slice_curve(one), 0.2 * FULL, atol=1e-6)


def test_a_blank_slice_counts_as_zero_resolvability():
    full = torch.full((2, 2, N_BANDS), 0.7)
    blank = SliceCurves(0, full, full, torch.zeros(2, 2))
    np.testing.assert_array_equal(slice_curve(blank), np.zeros(N_BANDS))


# Interval


@pytest.mark.parametrize("level", [0.0, 0.16, 0.375, 0.59, 0.9])
def test_interval_contains_the_score_and_lies_within_0_to_5(level):
    found = summary([level] * 5, spread=0.2)
    low, high = found.interval
    assert 0 <= low <= found.score <= high <= 5
    assert high - low > 0.2


def test_the_interval_has_separate_distances_below_and_above_the_score():
    own = {"score": [0, 2, 3, 5], "below": [9, 0.2, 0.4, 9], "above": [9, 0.6, 0.2, 9]}
    found = summary([0.375 / FULL] * 5, calibration=own)
    assert np.subtract(found.interval, found.score) == pytest.approx([-0.3, 0.4], abs=1e-3)


def test_a_card_with_a_standard_deviation_gives_a_symmetric_interval():
    found = summary([0.375 / FULL] * 5, calibration={"score": [0, 2, 3, 5], "sd": [9, 0.1, 0.3, 9]})
    assert np.subtract(found.interval, found.score) == pytest.approx([-0.329, 0.329], abs=1e-3)


def test_interval_widens_with_differences_between_slices():
    widths = []
    for difference in (0.0, 0.1, 0.2):
        levels = [0.375 - difference, 0.375 + difference] * 6
        widths.append(float(np.ptp(summary(levels).interval)))
    assert widths[0] < widths[1] < widths[2]


def test_interval_widens_with_differences_between_tiles():
    assert np.ptp(summary([0.375] * 6, spread=0.3).interval) > 1.1 * np.ptp(
        summary([0.375] * 6).interval
    )


def sampling_error(levels):
    return bootstrap_sd(
        [usable_tiles(one) for one in curves_of(levels)], np.ones(len(levels)), SHARE
    )


def test_interval_narrows_with_more_slices():
    assert sampling_error([0.3, 0.45] * 10) < sampling_error([0.3, 0.45] * 2)


def test_thin_and_out_of_distribution_volumes_have_wider_intervals():
    calibration = {**CALIBRATION, "thin": 2.0, "strange": 0.5}
    for slices, distance, expected in (
        (1, 0.0, 1.2),
        (2, 0.0, 0.9),
        (None, 0.0, 0.6),
        (None, 1.0, 0.6),
        (None, 3.0, 1.2),
        (1, 3.0, 2.4),
    ):
        below, above = own_error(2.5, calibration, slices, distance)
        assert below == pytest.approx(expected)
        assert above == pytest.approx(expected * 2 / 3)
    assert own_error(2.5, CALIBRATION, 1, 9.0) == pytest.approx((0.6, 0.4))
    slices = curves_of([0.375] * 5)
    familiar, outside = (
        summarise(slices, (0, 4), SHARE, calibration, out_of_distribution)
        for out_of_distribution in (0.5, 4.0)
    )
    assert outside.score == familiar.score
    assert np.ptp(outside.interval) > 1.5 * np.ptp(familiar.interval)


def test_volumes_of_little_area_and_depth_are_small():
    assert smallness(2.0, 96.0) == pytest.approx(0.75)
    assert smallness(2.0, 192.0) == pytest.approx(0.5)
    assert smallness(6.0, 96.0) == smallness(2.0, 96.0)
    assert smallness(48.0, 96.0) == pytest.approx(0.5)
    for depth, width in ((2.0, 384.0), (2.0, 800.0), (200.0, 96.0)):
        assert smallness(depth, width) == 0


def test_the_interval_of_a_small_volume_is_wider():
    calibration = {**CALIBRATION, "thin": 2.0, "small": 1.6}
    assert own_error(2.5, calibration, 3, small=0.75) == pytest.approx((1.32, 0.88))
    assert own_error(2.5, calibration, 1, small=0.75) == pytest.approx((1.32, 0.88))
    assert own_error(2.5, calibration, 1, small=0.5) == pytest.approx((1.2, 0.8))
    slices = curves_of([0.375] * 3)
    wide, narrow = (
        summarise(slices, (0, 2), SHARE, calibration, small=small) for small in (0.0, 0.75)
    )
    assert narrow.score == wide.score
    assert np.ptp(narrow.interval) > 1.5 * np.ptp(wide.interval)


def test_interval_does_not_depend_on_the_random_state():
    slices = curves_of([0.3, 0.4, 0.5], spread=0.2)
    intervals = set()
    for seed in range(3):
        np.random.seed(seed)
        intervals.add(summarise(slices, (0, 2), SHARE, CALIBRATION).interval)
    assert len(intervals) == 1

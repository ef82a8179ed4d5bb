# SPDX-License-Identifier: GPL-3.0-or-later
"""The scale of the score: meaning of a curve, a voxel size and a score."""

import math

import numpy as np
import pytest

from tomoscore_scipion.records.bands import (
    N_BANDS,
    N_SCORED,
    NOTHING_SEEN,
    PERIODS_NM,
    READILY_SEEN,
    curve_as_list,
    fraction_below_nyquist,
    readable_scale,
    scale_nm,
    tomoscore,
)

ALL = np.ones(N_BANDS)


def test_scored_bands_are_the_octaves_from_128_to_4_nm():
    assert PERIODS_NM[0][0] == 128
    assert PERIODS_NM[N_SCORED - 1][1] == 4
    assert all(coarse == 2 * fine for coarse, fine in PERIODS_NM[:N_SCORED])
    assert all(a[1] == b[0] for a, b in zip(PERIODS_NM, PERIODS_NM[1:]))


@pytest.mark.parametrize(
    ("voxel_nm", "expected"),
    [
        (0.1, [1, 1, 1, 1, 1, 1]),
        (1.5, [1, 1, 1, 1, 1, 1]),
        (2.0, [1, 1, 1, 1, 1, 0]),
        (4.0, [1, 1, 1, 1, 0, 0]),
        (64.0, [0, 0, 0, 0, 0, 0]),
        (100.0, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_bands_down_to_the_nyquist_period_count_fully(voxel_nm, expected):
    np.testing.assert_array_equal(fraction_below_nyquist(voxel_nm), expected)


def test_a_band_cut_by_nyquist_has_its_share_in_log2():
    share = fraction_below_nyquist(2.5)
    np.testing.assert_allclose(share, [1, 1, 1, 1, math.log2(8 / 5), 0])
    assert fraction_below_nyquist(1.7)[-1] == pytest.approx(math.log(4 / 3.4) / math.log(4 / 3))


@pytest.mark.parametrize("rounding", [-1e-9, 1e-9])
def test_rounding_of_the_voxel_size_neither_adds_nor_removes_a_band(rounding):
    np.testing.assert_allclose(fraction_below_nyquist(2 + rounding), [1, 1, 1, 1, 1, 0], atol=1e-8)
    assert fraction_below_nyquist(2 + rounding)[-1] == 0


@pytest.mark.parametrize(
    ("level", "score"),
    [
        (-1.0, 0),
        (0.0, 0),
        (NOTHING_SEEN, 0),
        ((NOTHING_SEEN + READILY_SEEN) / 2, 2.5),
        (READILY_SEEN, 5),
        (1.0, 5),
        (math.nan, 0),
    ],
)
def test_the_score_rises_from_0_to_5_with_the_resolvability(level, score):
    assert tomoscore(np.full(N_BANDS, level)) == pytest.approx(score)


def test_each_octave_counts_1_and_the_finest_band_0():
    np.testing.assert_allclose(tomoscore(np.eye(N_BANDS)), [1, 1, 1, 1, 1, 0])


def test_a_band_with_nan_counts_0():
    assert tomoscore([1, 1, math.nan, 1, 1, math.nan]) == pytest.approx(4)


def test_a_band_cut_by_nyquist_counts_by_its_share():
    share = np.array([1, 1, 1, 0.25, 0, 0])
    assert tomoscore(ALL, share) == pytest.approx(3.25)


def test_scores_of_stacked_curves_equal_those_of_single_curves():
    curves = np.random.default_rng(0).uniform(-1, 1, (4, 3, N_BANDS))
    scores = tomoscore(curves)
    assert scores.shape == (4, 3)
    assert scores[2, 1] == pytest.approx(float(tomoscore(curves[2, 1])))


@pytest.mark.parametrize("shape", [(5,), (6, 3), ()])
def test_curves_of_another_shape_are_refused_with_the_shape(shape):
    with pytest.raises(ValueError, match=rf"\(\.\.\., 6\), got \({', '.join(map(str, shape))}"):
        tomoscore(np.zeros(shape))


@pytest.mark.parametrize(("score", "scale"), [(1, 64), (2, 32), (3, 16), (4, 8), (5, 4)])
def test_scale_halves_with_each_octave(score, scale):
    assert scale_nm(score) == pytest.approx(scale)


def test_score_0_has_no_scale():
    assert scale_nm(0) is None


def test_scale_is_printed_with_its_unit():
    assert readable_scale(22.6274) == "22.6 nm"
    assert readable_scale(None) == "coarser than 128 nm"


def test_curve_of_a_record_is_clipped_and_empty_beyond_nyquist():
    curve = np.array([1.2, 0.71239, 0.4, -0.3, 0.2, 0.1], dtype=np.float32)
    listed = curve_as_list(curve, fraction_below_nyquist(2.5))
    assert listed == [1, 0.7124, 0.4, 0, 0.2, None]
    assert all(value is None or type(value) is float for value in listed)

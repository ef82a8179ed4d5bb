# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures of the benchmark, with scorers that give known answers."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tomoscore_scipion.benchmark import degradations
from tomoscore_scipion.benchmark.degradations import LADDERS, ladders
from tomoscore_scipion.benchmark.drawing import draw
from tomoscore_scipion.benchmark.figures import (
    constant_error,
    figures_of,
    pairs_in_order,
    rank_correlation,
)
from tomoscore_scipion.benchmark.fresh import Case, Comparison, fresh_tomograms
from tomoscore_scipion.benchmark.invariances import (
    CHANGES,
    REBINNED,
    binned,
    deviations,
    figures_of_deviations,
)
from tomoscore_scipion.benchmark.noise_only import noise_volumes
from tomoscore_scipion.benchmark.phantoms import CORRELATED, GRID, PLANES, phantoms
from tomoscore_scipion.benchmark.summary_text import summary_text
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.recipe import Recipe


def comparison(found, truth, specimen=None, width=0.5):
    found, truth = np.asarray(found, dtype=float), np.asarray(truth, dtype=float)
    curves = np.repeat(truth[:, None] / 5, N_BANDS, axis=1)
    specimen = np.arange(len(found)) if specimen is None else np.asarray(specimen)
    ends = found - width / 2, found + width / 2
    share = np.ones_like(curves)
    return Comparison(specimen, found, truth, *ends, found, truth, curves, curves, share)


def test_a_perfect_score_has_perfect_figures():
    truth = np.linspace(0, 5, 11)
    figures = figures_of(comparison(truth, truth))
    assert figures["rank_correlation"] == figures["better_half_auroc"] == 1
    assert figures["mean_absolute_error"] == figures["bias"] == 0
    assert figures["interval_coverage"] == 1
    assert figures["interval_median_width"] == pytest.approx(0.5)
    assert figures["band_correlation"] == pytest.approx([1.0] * N_BANDS)


def test_the_rank_correlation_has_an_interval_over_specimens():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.uniform(0, 5, 20), 3)
    found = truth + np.repeat(rng.normal(0, 1, 20), 3)
    specimen = np.repeat(np.arange(20), 3)
    low, high = figures_of(comparison(found, truth, specimen))["rank_correlation_90"]
    assert low < rank_correlation(found, truth) < high
    # Errors of tomograms of one specimen correlate; as independent ones they give a small interval.
    alone = figures_of(comparison(found, truth))["rank_correlation_90"]
    assert high - low > alone[1] - alone[0]


def test_figures_include_the_error_of_a_constant_prediction():
    figures = figures_of(comparison([2, 2, 2, 2.5], [1, 2, 3, 4], width=1.0))
    assert figures["mean_absolute_error"] == pytest.approx(0.875)
    assert figures["constant_predictor_error"] == constant_error(np.array([1, 2, 3, 4])) == 1
    assert figures["bias"] == pytest.approx(-0.375)
    assert figures["interval_coverage"] == 0.25


def test_only_pairs_of_one_specimen_with_different_truths_are_compared():
    result = comparison([1, 2, 0, 3, 2.9], [1, 2, 3, 1, 1.1], specimen=[0, 0, 1, 1, 1])
    assert pairs_in_order(result) == pytest.approx(1 / 3)


@pytest.mark.parametrize("correlated", [False, True])
def test_phantoms_cover_the_range_and_are_reproducible(correlated):
    some = list(phantoms(range(24), correlated))
    truths = np.array([case.truth for case in some])
    assert truths.min() < 1.0 < 3.5 < truths.max()
    kinds = {case.noise for case in some}
    assert kinds == (set(CORRELATED) if correlated else {"white"})
    assert {case.stack.shape for case in some} == {(n, GRID.n, GRID.n) for n in (1, PLANES)}
    (again,) = phantoms([7], correlated)
    np.testing.assert_array_equal(again.stack, some[7].stack)
    assert again.truth == some[7].truth


def test_noise_only_volumes_have_unique_names():
    names = [name for name, _ in noise_volumes(0)]
    assert len(set(names)) == len(names)


class Ruler:
    """A fake scorer: the score is a given function of the stack."""

    def __init__(self, measure):
        self.measure = measure

    def score(self, stack, voxel):
        return SimpleNamespace(tomoscore=float(self.measure(stack, voxel)))


def case(finest=0.0, voxel=15.0):
    stack = np.random.default_rng(0).standard_normal((5, 9, 8)).astype(np.float32)
    truth = {"curve": {"resolvability": [0.8, 0.7, 0.5, 0.3, finest, finest]}}
    return Case(0, stack, voxel, truth, "none")


def test_a_score_that_depends_on_the_sign_deviates_by_contrast_sign_only():
    found = deviations(Ruler(lambda v, _: np.sign(v.ravel()[v.size // 2])), [case()])
    assert found["contrast sign"] == [2]
    assert found["scale"] == [0]
    figures = figures_of_deviations(found)
    assert figures["contrast sign"] == {"tomograms": 1, "median": 2, "largest": 2}
    assert figures.keys() == {*CHANGES, REBINNED}


def test_only_tomograms_without_fine_detail_are_binned():
    ruler = Ruler(lambda v, voxel: voxel)
    found = deviations(ruler, [case(), case(finest=0.3), case(voxel=25.0)])
    assert found[REBINNED] == [15]
    assert figures_of_deviations({REBINNED: []}) == {}


def test_binning_averages_cubes_and_drops_incomplete_ones():
    stack = np.arange(3 * 5 * 4, dtype=np.float32).reshape(3, 5, 4)
    assert binned(stack).shape == (1, 2, 2)
    assert binned(stack)[0, 0, 0] == stack[:2, :2, :2].mean()


def test_ladders_count_steps_with_different_truths_and_those_in_order(monkeypatch):
    thin = partial(degradations.random_specimen, thickness_nm=(40.0, 40.0))
    monkeypatch.setattr(degradations, "random_specimen", thin)
    monkeypatch.setattr(degradations, "Grid", lambda n: Grid(n=64))
    monkeypatch.setattr(degradations, "LADDERS", {"dose": LADDERS["dose"][::3]})
    truths = iter([3.0, 1.0, 3.0, 2.9, 3.0, 1.0])
    monkeypatch.setattr(degradations, "truth_summary", lambda *_: {"tomoscore": next(truths)})
    scores = iter([2.5, 1.5, 2.5, 2.6, 1.0, 1.0])
    found = ladders(Ruler(lambda *_: next(scores)), [3, 4, 5])
    assert found == {"dose": {"pairs": 2, "in_order": 1}}


def test_the_figures_are_printed_with_their_names():
    figures = {
        "model": {"name": "a", "version": "1", "sha256": "f" * 64},
        **figures_of(comparison([1, 2, 3], [1, 2, 3.5])),
        "ordinary": figures_of(comparison([1, 2, 3], [1, 2, 4.25])),
        "nulls": {"white noise": 0.25},
        "phantoms": {"white noise": {"rank_correlation": 0.5}},
        "invariances": {"flip x": {"tomograms": 2, "median": 0.01, "largest": 0.02}},
        "degradations": {"dose": {"pairs": 3, "in_order": 2}},
        "rank_correlation_90": [0.8, 0.95],
    }
    text = summary_text(figures)
    for phrase in (
        "a 1",
        "mean absolute error",
        "good alignment",
        "0.4167",
        "white noise",
        "0.25",
        "2 of 3",
        "128-64",
        "0.8 to 0.95",
    ):
        assert phrase in text


def test_fresh_tomograms_can_be_drawn_from_other_recipes():
    good, poor = (
        next(fresh_tomograms([3], 1, Grid(n=64), draw=lambda _, dose=dose: Recipe(total_dose=dose)))
        for dose in (120.0, 1.0)
    )
    assert good.truth["tomoscore"] > poor.truth["tomoscore"] + 0.5


def test_the_picture_shows_every_tomogram_and_the_slices(tmp_path):
    result = comparison([0, 2, 2.5], [1, 2, 3])
    draw(result, str(tmp_path / "scores.svg"))
    picture = (tmp_path / "scores.svg").read_text()
    assert "3 tomograms" in picture.replace("<!-- ", "").replace(" -->", "")
    draw(result, str(tmp_path / "scores.png"))
    with Image.open(tmp_path / "scores.png") as opened:
        width, height = opened.size
    assert width > 1.5 * height

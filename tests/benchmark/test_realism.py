# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two sets of images can be separated by the statistics of their tiles."""

import json

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from tomoscore_scipion.benchmark import two_sample
from tomoscore_scipion.benchmark.two_sample import TileSet, auc, folds_of, separation
from tomoscore_scipion.model.features import N_RATIOS, RATIOS, SINGLE_CHANNEL
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.sampling import plan_slice


@pytest.fixture(scope="module")
def realism(script):
    return script("realism")


def textured(seed, n=192):
    """An image of blurred points plus noise, (n, n)."""
    rng = np.random.default_rng(seed)
    points = ndimage.gaussian_filter((rng.random((n, n)) > 0.995).astype(np.float32), 2)
    return (rng.normal(0, 1, (n, n)) - 40 * points).astype(np.float32)


def tiles_of(realism, image, source):
    return realism.tile_set(lambda _: image, 1, 1.5, [0], source, "raw", neighbours=False)


@pytest.fixture(scope="module")
def images(realism):
    return [tiles_of(realism, textured(seed), f"source {seed}") for seed in range(24)]


def changed(realism, change):
    return [tiles_of(realism, change(textured(seed)), f"other {seed}") for seed in range(100, 124)]


def test_sets_of_one_distribution_cannot_be_separated(realism, images):
    for found in separation(images, changed(realism, lambda image: image)):
        assert 0.3 < found["auc"] < 0.7 and 0.3 < found["distance_auc"] < 0.7
        assert found["images"] == found["sources"] == [24, 24]


def test_a_linear_filter_and_a_gain_cannot_be_detected(realism, images):
    def filtered(image):
        return 3 * ndimage.gaussian_filter(image, 0.7) + 5

    for found in separation(images, changed(realism, filtered))[1:]:
        assert 0.3 < found["auc"] < 0.7


def test_clipped_grey_values_are_detected_and_named(realism, images):
    """Clipping makes grey values less sparse: less kurtosis in the finest octave."""
    found = separation(images, changed(realism, lambda image: np.clip(image, -1, 1)))[0]
    assert found["auc"] > 0.95
    row = next(row for row in found["statistics"] if row["name"] == "kurtosis")
    assert row["auc"] > 0.9 and row["auc_range"][0] > 0.8
    assert "more kurtosis" in realism.sentence(row)
    assert len(found["statistics"]) == two_sample.TOP


def test_no_source_is_in_both_training_and_test(monkeypatch):
    sources = ["a"] * 5 + ["b", "c", "b", "d", "e", "f"]
    fold = folds_of(sources, 3)
    assert len({(source, at) for source, at in zip(sources, fold)}) == len(set(sources))
    assert sorted(np.bincount(fold)) == [3, 3, 5]
    seen = []
    fit = two_sample.logistic_regression
    monkeypatch.setattr(
        two_sample,
        "logistic_regression",
        lambda values, *rest: seen.append(set(np.round(values[:, 0], 6))) or fit(values, *rest),
    )
    rng = np.random.default_rng(0)
    both = [[constant_image(rng, f"{name}{i // 2}") for i in range(8)] for name in "xy"]
    monkeypatch.setattr(two_sample, "_weighted_moments", lambda values, weight: (0, 1))
    separation(*both)
    union = set.union(*seen)
    of_source = {}
    for image in (*both[0], *both[1]):
        of_source.setdefault(image.source, set()).add(round(float(image.ratios[0, 0, 0]), 6))
    for training in seen:
        assert training < union
        for values in of_source.values():
            assert values <= training or not values & training


def constant_image(rng, source):
    """An image with ratios that identify it."""
    ratios = np.full((2, OCTAVES, N_RATIOS), rng.random())
    return TileSet(source, "raw", ratios, np.ones(2))


def test_a_single_source_cannot_be_classified():
    """Similar images of one source do not separate sets with the same distribution."""
    rng = np.random.default_rng(1)
    sets = [[constant_image(rng, f"{name}{i}") for i in range(20)] for name in "xy"]
    for found in separation(*sets):
        assert 0.2 < found["auc"] < 0.8


def test_the_distance_detects_deviations_that_differ_between_sources():
    """Each source deviates in another statistic, so a classifier fails on a new source."""
    rng = np.random.default_rng(2)

    def image(source, deviating):
        ratios = rng.normal(0, 1, (40, OCTAVES, N_RATIOS))
        ratios[..., deviating] += rng.choice([-5, 5])
        return TileSet(source, "raw", ratios, np.ones(40))

    odd = [image(f"odd {i}", i) for i in range(15)]
    for found in separation(odd, [image(f"even {i}", []) for i in range(30)]):
        assert found["distance_auc_range"][0] > 0.9
        assert found["auc"] < 0.8


def test_too_few_sources_give_no_figure(images):
    assert separation(images[:2], images) == [None] * OCTAVES


def test_images_of_any_size_count_equally(images):
    large = images[0]
    many = TileSet(
        large.source, large.kind, np.tile(large.ratios, (50, 1, 1)), np.tile(large.weight, 50)
    )
    one = separation(images[:12], images[12:])
    other = separation([many, *images[1:12]], images[12:])
    for a, b in zip(one, other):
        assert a["auc"] == pytest.approx(b["auc"], abs=0.01)


def test_auc_of_weighted_cases():
    values, positive = np.array([1.0, 2, 2, 3]), np.array([False, True, False, True])
    assert auc(values, positive, np.ones(4)) == pytest.approx(3.5 / 4)
    assert auc(values, positive, np.array([1, 1, 3, 3.0])) == pytest.approx((1 + 1.5 + 3 + 9) / 16)
    assert np.isnan(auc(values, np.ones(4, dtype=bool), np.ones(4)))


def test_single_images_have_no_neighbours_and_coarse_pixels_no_fine_octaves(realism, images):
    measured = np.isfinite(images[0].ratios[0])
    assert set(np.flatnonzero(measured[0])) == set(SINGLE_CHANNEL)
    assert not measured[-1, RATIOS.index("coarser_phase")]
    stack = np.stack([textured(seed, 128) for seed in range(8)])
    coarse = realism.tile_set(stack.__getitem__, 8, 3.0, [4], "s", "raw", neighbours=True)
    assert not np.isfinite(coarse.ratios[:, 0]).any()
    assert np.isfinite(coarse.ratios[:, 1, RATIOS.index("correlation_centre_near")]).all()
    assert not np.isfinite(coarse.ratios[:, 1, RATIOS.index("correlation_centre_distant")]).any()
    assert not plan_slice(4, 8, 3.0).distant


def test_images_without_data_are_left_out(realism):
    assert tiles_of(realism, np.zeros((128, 128), np.float32), "blank") is None


def test_the_command_compares_a_folder_with_fresh_tomograms(realism, tmp_path, capsys):
    rows = ["name,source,kind"]
    for seed in range(4):
        path = tmp_path / f"image{seed}.mrc"
        mrcfile.write(path, textured(seed, 128), voxel_size=15)
        rows.append(f"image{seed},laboratory {seed},{'raw volume' if seed else 'denoised'}")
    (tmp_path / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    out = tmp_path / "out.json"
    command = [str(tmp_path), "--sources", str(tmp_path / "items.csv"), "--specimens", "3"]
    command += ["--field", "128", "--json", str(out), "--plot", str(tmp_path / "out.png")]
    assert realism.main(command) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found) == ["all", "raw", "denoised", "simulated, two halves"]
    assert found["all"]["16-8 nm"]["sources"] == [4, 3]
    assert found["denoised"]["16-8 nm"] is None
    assert (tmp_path / "out.png").stat().st_size > 10_000
    text = capsys.readouterr().out
    assert "too few sources" in text and "real tiles have" in text


def test_a_folder_without_images_is_refused(realism, tmp_path, capsys):
    assert realism.main([str(tmp_path)]) == 2
    assert "no image" in capsys.readouterr().err

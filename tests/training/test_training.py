# SPDX-License-Identifier: GPL-3.0-or-later
"""A small training from start to end, and its parts."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.model.aggregation import weighted_curve
from tomoscore_scipion.model.features import RATIOS
from tomoscore_scipion.model.interval import own_error
from tomoscore_scipion.model.network import Measured, Prediction, ResolvabilityNet
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.statistics import MEANS, PERSISTENCE
from tomoscore_scipion.model.weights import load_weights, read_card, sha256_of
from tomoscore_scipion.records.bands import N_BANDS, Z_90
from tomoscore_scipion.simulation.recipe import Recipe
from tomoscore_scipion.simulation.specimen import INGREDIENTS
from tomoscore_scipion.training.calibration import (
    BETWEEN_SESSIONS,
    error_by_score,
    fit_out_of_distribution,
)
from tomoscore_scipion.training.dataset import Batch, Shards
from tomoscore_scipion.training.samples import (
    SampleRecipe,
    _cropped,
    _left_out,
    _unusual,
    empty_ice_samples,
    noise_only_samples,
)
from tomoscore_scipion.training.train import (
    GOOD_ODDS,
    GOOD_SCORE,
    Trainer,
    TrainingRecipe,
    balanced,
    loss_of,
    soft_score,
    volume_curves,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training on one specimen, three steps long."""
    folder = tmp_path_factory.mktemp("training")
    small = ["--small", "--specimens", "1", "--held-out", "1", "--steps", "3", "--processes", "1"]
    assert main(["train", str(folder), *small, "--model-version", "7"]) == 0
    return folder


def test_training_writes_weights_that_score_a_volume(trained):
    path = trained / "weights.safetensors"
    record = Scorer.load(path, "cpu").score(np.random.default_rng(0).random((5, 90, 80)), 20.0)
    assert record.status == "ok"
    assert record.model["version"] == "7"


def test_the_card_describes_the_training(trained):
    card = read_card(trained / "weights.safetensors")
    assert card["training"]["seeds"] == [0, 1]
    assert card["training"]["steps"] == 3
    calibrated_on = card["training"]["calibration_seeds"]
    assert {name: last - first for name, (first, last) in calibrated_on.items()} == {
        "random": 1,
        "ordinary": 1,
        "raw": 1,
        "single slices": 1,
    }
    assert card["interval"]["thin"] >= 1
    assert card["interval"]["small"] >= 0
    for side in ("below", "above"):
        assert len(card["interval"]["score"]) == len(card["interval"][side])
        assert min(card["interval"][side]) > 0
    json.dumps(card, allow_nan=False)
    assert card["statistics"] == list(RATIOS)


def test_a_resumed_training_gives_the_same_weights(trained, tmp_path):
    shards = Shards(trained / "train")
    recipe = TrainingRecipe(steps=2, batch=2)
    whole = Trainer(tmp_path / "whole", shards, recipe).run()
    stopped = Trainer(tmp_path / "parts", shards, recipe)
    stopped._train_on(stopped._read(0))
    stopped.save()
    resumed = Trainer(tmp_path / "parts", shards, recipe).run()
    for expected, found in zip(whole.parameters(), resumed.parameters()):
        torch.testing.assert_close(found, expected)


def test_a_checkpoint_of_another_recipe_is_refused(trained, tmp_path):
    shards = Shards(trained / "train")
    Trainer(tmp_path, shards, TrainingRecipe(steps=1)).save()
    with pytest.raises(ValueError, match="another folder"):
        Trainer(tmp_path, shards, TrainingRecipe(steps=2))


def test_training_starts_from_given_weights(trained, tmp_path):
    weights = trained / "weights.safetensors"
    start, _ = load_weights(weights)
    shards = Shards(trained / "held-out")
    trainer = Trainer(tmp_path, shards, TrainingRecipe(steps=0), weights)
    assert trainer.recipe.start == sha256_of(weights)
    found = trainer.run()
    for name, expected in start.named_parameters():
        torch.testing.assert_close(found.get_parameter(name), expected)
    torch.testing.assert_close((found.mean, found.std), (start.mean, start.std))


def test_the_result_keeps_a_fraction_of_the_starting_weights(trained, tmp_path):
    weights = trained / "weights.safetensors"
    start, _ = load_weights(weights)
    shards = Shards(trained / "train")
    plain, mixed, kept = (
        Trainer(
            tmp_path / str(share), shards, TrainingRecipe(steps=2, batch=2, kept=share), weights
        )
        .run()
        .get_parameter("encoder.0.weight")
        for share in (0.0, 0.25, 1.0)
    )
    first = start.get_parameter("encoder.0.weight")
    assert not torch.equal(plain, first)
    torch.testing.assert_close(mixed, 0.75 * plain + 0.25 * first)
    torch.testing.assert_close(kept, first)


def test_invalid_starting_weights_are_refused_before_simulation(tmp_path, capsys):
    (tmp_path / "odd.safetensors").write_bytes(b"odd")
    command = ["train", str(tmp_path / "out"), "--start", str(tmp_path / "odd.safetensors")]
    assert main(command) == 1
    assert "expected TomoScore weights" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_option_kept_needs_starting_weights(tmp_path, capsys):
    assert main(["train", str(tmp_path / "out"), "--kept", "0.5"]) == 1
    assert "--start WEIGHTS" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "out"), "--kept", "1.5"]) == 2
    assert "expected 0 to 1" in capsys.readouterr().err


def test_shards_of_another_recipe_are_refused(trained):
    with pytest.raises(ValueError, match="another recipe"):
        main(["train", str(trained), "--specimens", "1", "--held-out", "1", "--steps", "3"])


def test_a_fifth_of_the_specimens_have_a_single_ingredient_drawn_uniformly():
    drawn = [_left_out(np.random.default_rng(seed)) for seed in range(3000)]
    alone = [left_out for left_out in drawn if left_out]
    assert 0.17 < len(alone) / len(drawn) < 0.23
    assert {len(left_out) for left_out in alone} == {len(INGREDIENTS) - 1}
    for name in INGREDIENTS:
        kept = sum(name not in left_out for left_out in alone) / len(alone)
        assert 0.11 < kept < 0.23


def test_noise_only_volumes_have_the_shape_of_other_samples():
    recipe = SampleRecipe(field_px=128, noise_volumes=3)
    samples = noise_only_samples(5, recipe)
    assert {sample.volume for sample in samples} == {0, 1, 2}
    for sample in samples:
        assert sample.kind == "null"
        assert not sample.curves.any()
        assert not sample.content.any()
        assert sample.measured.means.shape == (3, 3, OCTAVES, len(MEANS))


def test_empty_ice_has_no_structure_in_any_tomogram():
    samples = empty_ice_samples(5, SampleRecipe(field_px=128, empty_acquisitions=2, slices=2))
    assert {sample.kind for sample in samples} == {"null"}
    assert {sample.contents for sample in samples} == {""}
    assert len({sample.volume for sample in samples}) >= 2
    for sample in samples:
        assert not sample.curves.any()
        assert not sample.content.any()
        assert not sample.measured.blank


def test_tomograms_are_whole_or_a_few_slices_from_inside_the_specimen():
    acquisition = SimpleNamespace(n_z=80, slab_z=lambda: (20, 59))
    found = [_cropped(np.random.default_rng(seed), acquisition) for seed in range(300)]
    cropped = [part for part in found if part != (0, 80)]
    assert 20 < len(cropped) < 80
    assert min(n for _, n in cropped) == 3
    assert all(first >= 20 and first + n - 1 <= 59 for first, n in cropped)


def test_some_tilt_series_have_hardly_any_noise_and_some_tomograms_are_binned():
    drawn = [_unusual(np.random.default_rng(seed), Recipe()) for seed in range(400)]
    clean = [recipe for recipe in drawn if recipe.total_dose > 1000]
    assert 10 < len(clean) < 50
    assert not any(recipe.damage for recipe in clean)
    assert 80 < sum(recipe.binning == 2 for recipe in drawn) < 160
    coarse = Recipe(voxel_nm=2.5)
    assert all(_unusual(np.random.default_rng(s), coarse).binning == 1 for s in range(50))


def test_volumes_can_be_selected(trained):
    shards = Shards(trained / "train")
    part = shards.select(shards.kind == "direct")
    assert 0 < len(part) < len(shards)
    assert set(part.kind) == {"direct"}
    expected = shards.batch(np.flatnonzero(shards.kind == "direct"), None)
    torch.testing.assert_close(part.batch(np.arange(len(part)), None).curves, expected.curves)
    assert len(part.sample_means(1)) < len(shards.sample_means(1))


def test_shards_store_noise_and_contents_of_volumes(trained):
    shards = Shards(trained / "train")
    assert not shards.correlated[shards.kind == "tilt_series"].any()
    assert set("+".join(shards.contents).split("+")) <= {"", *INGREDIENTS}


def test_a_folder_without_shards_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected shards"):
        Shards(tmp_path)


def test_a_batch_without_augmentation_holds_every_slice_and_tile_of_its_volumes(trained):
    shards = Shards(trained / "train")
    batch = shards.batch(np.arange(len(shards)), None)
    slices = [len(members) for _, members in shards.volumes]
    means = batch.measured.means
    assert means.shape[:2] == (len(shards), max(slices))
    assert means.shape[3:] == (OCTAVES, len(MEANS))
    assert batch.curves.shape == batch.content.shape == (*means.shape[:3], N_BANDS)
    found = (batch.measured.weight.sum(dim=2) > 0).sum(dim=1)
    assert found.tolist() == slices


def test_augmentation_only_removes_slices_tiles_and_neighbours(trained):
    shards = Shards(trained / "train")
    thick = np.flatnonzero(
        [
            bool(shards.batch(np.array([i]), None).measured.persistence.any())
            for i in range(len(shards))
        ]
    )[:1]
    whole = shards.batch(thick, None).measured.means[0].flatten(0, 1)
    centre = MEANS.index("energy_centre")
    described = {tuple(row) for row in whole[:, :, centre].numpy()}
    lost = set()
    for seed in range(60):
        part = shards.batch(thick, np.random.default_rng(seed)).measured
        rows = part.means[0].flatten(0, 1)
        assert len(rows) < len(whole)
        assert {tuple(row) for row in rows[:, :, centre].numpy()} <= described
        lost.add(bool(rows[..., MEANS.index("centre_near")].any()))
    assert lost == {True, False}


def batch_of(curves, weight, content=None):
    v, s, t = weight.shape
    measured = Measured(
        torch.zeros((v, s, t, OCTAVES, len(MEANS))),
        weight,
        torch.zeros((v, s, OCTAVES)),
        torch.zeros((v, s, OCTAVES, PERSISTENCE)),
    )
    content = torch.ones_like(curves) if content is None else content
    return Batch(measured, curves, content, torch.ones((v, N_BANDS)))


def loss(found, batch, content=None):
    said = Prediction(found, batch.content if content is None else content)
    return float(loss_of(said, batch))


def test_the_loss_is_zero_at_the_truth_and_ignores_tiles_and_slices_without_data():
    truth = torch.rand((2, 3, 9, N_BANDS))
    weight = torch.ones((2, 3, 9))
    weight[:, :, 0] = 0
    weight[1, 2] = 0
    found = truth.clone()
    found[:, :, 0] += 5
    found[1, 2] += 5
    batch = batch_of(truth, weight, torch.rand(truth.shape))
    assert loss(found, batch) < 1e-6
    found[:, :, 1] += 0.5
    assert loss(found, batch) > 0.02


def test_wrong_content_gives_a_loss_although_curves_are_right():
    truth = torch.rand((1, 2, 9, N_BANDS))
    batch = batch_of(truth, torch.ones((1, 2, 9)))
    assert loss(truth, batch, torch.full_like(truth, 0.5)) > 0.05


def test_curves_of_tiles_without_content_hardly_count():
    truth = torch.zeros((1, 2, 9, N_BANDS))
    weight = torch.ones((1, 2, 9))
    full, empty = (batch_of(truth, weight, torch.full_like(truth, c)) for c in (1.0, 0.0))
    assert loss(truth + 0.3, empty) < 0.3 * loss(truth + 0.3, full)


def test_curves_of_volumes_agree_with_the_engine():
    rng = torch.Generator().manual_seed(0)
    curves, content = torch.rand((2, 1, 3, 9, N_BANDS), generator=rng)
    weight = torch.ones((1, 3, 9))
    weight[0, :, :4] = 0.2
    usable = [part[0][:, 4:].reshape(-1, N_BANDS).numpy() for part in (curves, content)]
    found = volume_curves(curves, content, weight)[0].numpy()
    np.testing.assert_allclose(found, weighted_curve(*usable), atol=1e-5)


def test_bands_beyond_nyquist_do_not_count_in_the_loss():
    truth = torch.zeros((1, 2, 9, N_BANDS))
    batch = batch_of(truth, torch.ones((1, 2, 9)))
    batch.below_nyquist[:, 4:] = 0
    found = torch.zeros_like(truth)
    found[..., 4:] = 1
    assert loss(found, batch) == 0


def test_the_loss_of_a_bias_exceeds_that_of_scatter():
    truth = torch.full((1, 4, 64, N_BANDS), 0.4)
    batch = batch_of(truth, torch.ones((1, 4, 64)))
    scatter = 0.1 * torch.sign(torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)))
    assert loss(truth + 0.1, batch) > 1.5 * loss(truth + scatter, batch)


def test_the_score_of_the_loss_is_the_score_of_the_engine():
    from tomoscore_scipion.records.bands import tomoscore

    curves, share = torch.rand((5, 6)), torch.rand((5, 6))
    expected = [float(tomoscore(c.numpy(), s.numpy())) for c, s in zip(curves, share)]
    np.testing.assert_allclose(soft_score(curves, share).numpy(), expected, atol=1e-5)


def test_calibration_recovers_an_error_that_grows_with_the_score():
    rng = np.random.default_rng(0)
    found = rng.uniform(0, 5, 4000)
    truth = found + rng.standard_normal(4000) * (0.1 + 0.2 * found)
    table = error_by_score(found, truth)
    for side in ("below", "above"):
        for score, sd in ((1.0, 0.3), (4.0, 0.9)):
            expected = Z_90 * np.hypot(sd, BETWEEN_SESSIONS)
            assert np.interp(score, table["score"], table[side]) == pytest.approx(
                expected, abs=0.16
            )


def test_calibration_recovers_errors_to_one_side():
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 5, 4000)
    found = truth + rng.exponential(0.5, 4000)
    table = error_by_score(found, truth)
    assert np.interp(4.0, table["score"], table["below"]) == pytest.approx(1.5, abs=0.1)
    assert max(table["above"]) == pytest.approx(Z_90 * BETWEEN_SESSIONS, abs=0.01)


def test_the_sampling_error_is_not_part_of_the_error_of_the_model():
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 5, 4000)
    found = truth + rng.normal(0, 0.5, 4000)
    table = error_by_score(found, truth, np.full(4000, 0.3))
    certain = error_by_score(found, truth, np.full(4000, 2.0))
    for side in ("below", "above"):
        expected = Z_90 * np.hypot(0.4, BETWEEN_SESSIONS)
        assert np.interp(2.5, table["score"], table[side]) == pytest.approx(expected, abs=0.05)
        shared = Z_90 * BETWEEN_SESSIONS
        assert max(certain[side]) == pytest.approx(shared, abs=0.01)


def test_a_few_outliers_do_not_widen_all_intervals():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 5, 4000)
    found = truth + rng.normal(0, 0.3, 4000)
    found[::40] += 3.0
    below, above = own_error(found, error_by_score(found, truth))
    held = (truth > found - below) & (truth < found + above)
    # 0.9 without `BETWEEN_SESSIONS`
    assert held.mean() == pytest.approx(0.94, abs=0.02)
    assert np.median(below) < 0.65
    assert np.median(above) < 0.61


def test_the_network_is_small_enough_to_ship():
    bytes_needed = sum(p.numel() * p.element_size() for p in ResolvabilityNet().parameters())
    assert bytes_needed < 8_000_000


def test_held_out_volumes_are_within_the_fitted_distribution(trained):
    shards, held_out = Shards(trained / "train"), Shards(trained / "held-out")
    network = load_weights(trained / "weights.safetensors")[0]
    fit_out_of_distribution(network, shards, held_out)
    batch = held_out.batch(np.arange(len(held_out)), None)
    with torch.inference_mode():
        reference_mean = network.out_of_distribution(batch.measured)
    assert float((reference_mean > 1.0001).float().mean()) <= max(0.02, 1 / len(held_out)) + 1e-6
    assert float(reference_mean.max()) >= 1


def test_balanced_sampling_prefers_volumes_with_high_scores():
    """Nine in ten volumes are empty; each half octave is drawn about equally, good ones more."""
    scores = np.concatenate([np.zeros(900), np.linspace(0.5, 4.99, 100)])
    odds = balanced(scores)
    assert odds.sum() == pytest.approx(1)
    good, middling = odds[scores >= GOOD_SCORE], odds[(scores > 0.5) & (scores < GOOD_SCORE)]
    assert good.mean() == pytest.approx(GOOD_ODDS * middling.mean(), rel=0.2)
    assert middling.mean() > 2 * odds[0]

# SPDX-License-Identifier: GPL-3.0-or-later
"""A small training from end to end, and what its parts promise."""

import json

import numpy as np
import pytest
import torch

from tomoscore_scipion.engine import Scorer
from tomoscore_scipion.engine.cli import main
from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.weights import read_card
from tomoscore_scipion.training.calibration import band_gains, error_by_score, scale_output
from tomoscore_scipion.training.dataset import CROP_CELLS, Batch, Shards, augment
from tomoscore_scipion.training.train import Trainer, TrainingRecipe, loss_of, soft_score


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training on one specimen, three steps long."""
    folder = tmp_path_factory.mktemp("training")
    small = ["--small", "--specimens", "1", "--held-out", "1", "--steps", "3", "--processes", "1"]
    assert main(["train", str(folder), *small, "--model-version", "7"]) == 0
    return folder


def test_a_training_gives_weights_that_score(trained):
    path = trained / "weights.safetensors"
    record = Scorer.load(path, "cpu").score(np.random.default_rng(0).random((5, 90, 80)), 20.0)
    assert record.status == "ok"
    assert record.model["version"] == "7"


def test_the_card_tells_how_the_model_was_made(trained):
    card = read_card(trained / "weights.safetensors")
    assert card["training"]["seeds"] == [1000, 1001]
    assert card["training"]["steps"] == 3
    assert len(card["interval"]["score"]) == len(card["interval"]["sd"])
    assert min(card["interval"]["sd"]) > 0
    json.dumps(card, allow_nan=False)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(trained, tmp_path):
    shards = Shards(trained / "train")
    recipe = TrainingRecipe(steps=2, batch=2, bfloat16=False)
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


def test_shards_of_another_recipe_are_refused(trained):
    with pytest.raises(ValueError, match="another recipe"):
        main(["train", str(trained), "--specimens", "1", "--held-out", "1", "--steps", "3"])


def test_no_shards_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected shards"):
        Shards(tmp_path)


def test_turning_a_sample_turns_its_truth():
    cells = CROP_CELLS
    image = np.zeros((3, 32 * cells, 32 * cells), dtype=np.float16)
    truth = np.zeros((cells - 1, cells - 1, 1), dtype=np.float32)
    truth[2, 5] = 1
    image[:, 96 - 4 : 96 + 4, 192 - 4 : 192 + 4] = 1  # the middle of tile (2, 5)
    for seed in range(16):
        turned, turned_truth = augment(np.random.default_rng(seed), image, truth)
        y, x = np.argwhere(turned_truth[..., 0] == 1)[0]
        assert abs(turned[0, 32 * (y + 1), 32 * (x + 1)]) == 1


def batch_of(curves, weight):
    channels = torch.zeros((len(curves), 3, 64, 64))
    return Batch(channels, curves, weight, torch.ones((len(curves), 6)))


def test_the_loss_is_zero_at_the_truth_and_ignores_tiles_without_data():
    truth = torch.rand((2, 3, 3, 6))
    weight = torch.ones((2, 3, 3))
    weight[:, 0] = 0
    found = truth.permute(0, 3, 1, 2).clone()
    found[:, :, 0] += 5
    assert float(loss_of(found, batch_of(truth, weight))) < 1e-6
    found[:, :, 1] += 0.5
    assert float(loss_of(found, batch_of(truth, weight))) > 0.05


def test_bands_beyond_nyquist_do_not_count_in_the_loss():
    truth = torch.zeros((1, 3, 3, 6))
    batch = batch_of(truth, torch.ones((1, 3, 3)))
    batch.share[:, 4:] = 0
    found = torch.zeros((1, 6, 3, 3))
    found[:, 4:] = 1
    assert float(loss_of(found, batch)) == 0


def test_the_score_of_the_loss_is_the_score_of_the_engine():
    from tomoscore_scipion.engine.bands import tomoscore

    curves, share = torch.rand((5, 6)), torch.rand((5, 6))
    expected = [float(tomoscore(c.numpy(), s.numpy())) for c, s in zip(curves, share)]
    np.testing.assert_allclose(soft_score(curves, share).numpy(), expected, atol=1e-5)


def test_calibration_recovers_an_error_that_grows_with_the_score():
    rng = np.random.default_rng(0)
    found = rng.uniform(0, 5, 4000)
    truth = found + rng.standard_normal(4000) * (0.1 + 0.2 * found)
    table = error_by_score(found, truth)
    assert np.interp(1.0, table["score"], table["sd"]) == pytest.approx(0.3, abs=0.1)
    assert np.interp(4.0, table["score"], table["sd"]) == pytest.approx(0.9, abs=0.1)


def test_the_network_is_small_enough_to_ship():
    bytes_needed = sum(p.numel() * p.element_size() for p in ResolvabilityNet().parameters())
    assert bytes_needed < 8_000_000


def test_gains_undo_a_factor_per_band_and_go_into_the_network():
    rng = np.random.default_rng(0)
    truth = rng.random((50, 6))
    factor = np.array([0.5, 0.8, 1.0, 1.2, 2.0, 1.0])
    share = np.ones((50, 6))
    share[:, 5] = 0
    gains = band_gains(truth * factor, truth, share)
    np.testing.assert_allclose(gains[:5], 1 / factor[:5])
    network = ResolvabilityNet().eval()
    image = torch.rand((1, 3, 64, 64))
    with torch.inference_mode():
        before = network(image)
    scale_output(network, gains)
    with torch.inference_mode():
        after = network(image)
    expected = before * torch.as_tensor(gains, dtype=torch.float32)[:, None, None]
    torch.testing.assert_close(after, expected)

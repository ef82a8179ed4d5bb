# SPDX-License-Identifier: GPL-3.0-or-later
"""Training loop with checkpoints, resume, and a moving average of the weights."""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch

from tomoscore_scipion.model.aggregation import CONTENT_FLOOR, USABLE_WEIGHT
from tomoscore_scipion.model.features import ratios
from tomoscore_scipion.model.network import Prediction, ResolvabilityNet
from tomoscore_scipion.model.weights import load_weights, sha256_of
from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.records.bands import N_SCORED, NOTHING_SEEN, READILY_SEEN
from tomoscore_scipion.training.dataset import Batch, Shards

LOWEST_SCORE_ODDS = 2.5
"""Odds of the lowest half octave of scores, relative to any other half octave."""
GOOD_SCORE = 2.5
"""Minimum TomoScore in octaves of a good tomogram, as most tomograms of users are."""
GOOD_ODDS = 2.0
"""Odds of volumes with at least `GOOD_SCORE`, relative to volumes with lower scores."""
MAX_ODDS = 4.0
"""Maximum odds of a volume, relative to the mean."""
EMPTY_TILE = 0.15
"""Weight of the curve of a tile without structure; the content of a tile is added to it."""


@dataclass(frozen=True)
class TrainingRecipe:
    """Settings of the training.

    Attributes:
        steps: total number of batches.
        batch: volumes per batch.
        learning_rate: maximum rate, reached after 3 % of the steps; then a cosine decay to 0.
        weight_decay: weight decay of AdamW.
        average: decay of the moving average of the weights.
        seed: seed of initial weights, order and augmentation.
        start: SHA-256 of the initial weights; without it the initial weights are random.
        kept: fraction of the initial weights in the result, 0 to 1; such a mean of weights keeps
            more of the initial training (Wortsman et al. 2022, arXiv:2109.01903).
    """

    steps: int = 12000
    batch: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    average: float = 0.998
    seed: int = 0
    start: str = ""
    kept: float = 0.0

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        warm = max(1, int(0.03 * self.steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.learning_rate * 0.5 * (1 + float(np.cos(np.pi * min(1.0, progress))))


def soft_score(curve: torch.Tensor, below_nyquist: torch.Tensor) -> torch.Tensor:
    """Differentiable TomoScore in octaves of (b, N_BANDS) curves; see `records.bands`."""
    visible = ((curve - NOTHING_SEEN) / (READILY_SEEN - NOTHING_SEEN)).clamp(0, 1)
    return (visible * below_nyquist)[:, :N_SCORED].sum(dim=1)


def volume_curves(
    curves: torch.Tensor, content: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Content-weighted curves of volumes, (v, N_BANDS); see `model.aggregation.weighted_curve`.

    Args:
        curves: (v, s, t, N_BANDS) curves of tiles.
        content: (v, s, t, N_BANDS) content of tiles.
        weight: (v, s, t) fraction of each tile that holds data; tiles below `USABLE_WEIGHT` are
            ignored.
    """
    usable = (weight >= USABLE_WEIGHT).float()[..., None]
    total = (content * curves * usable).sum(dim=(1, 2))
    content_sum = (content * usable).sum(dim=(1, 2)) + CONTENT_FLOOR * usable.sum(dim=(1, 2))
    return total / content_sum.clamp_min(1e-6)


def loss_of(predicted: Prediction, batch: Batch) -> torch.Tensor:
    """Squared errors of curves and content per tile, and of curve and score per volume.

    Tiles are weighted by their content plus `EMPTY_TILE`.
    """
    carried = (batch.below_nyquist > 0).float()
    weight = batch.measured.weight
    each = weight[..., None] * carried[:, None, None]
    count = each.sum().clamp_min(1)
    tiles = ((predicted.curves - batch.curves) ** 2 * (batch.content + EMPTY_TILE) * each).sum()
    content = ((predicted.content - batch.content) ** 2 * each).sum()
    volume = volume_curves(predicted.curves, predicted.content, weight)
    true_volume = volume_curves(batch.curves, batch.content, weight)
    per_volume = ((volume - true_volume) ** 2 * carried).sum() / carried.sum()
    score = soft_score(volume, batch.below_nyquist) - soft_score(true_volume, batch.below_nyquist)
    return (tiles + 0.3 * content) / count + per_volume + 0.05 * (score**2).mean()


def initial_network(shards: Shards, start: Path | None) -> ResolvabilityNet:
    """A network with initial weights from a file, or with random ones and the samples' scaling."""
    if start is not None:
        return load_weights(start)[0]
    network = ResolvabilityNet()
    scale = ratios(shards.sample_means(every=7)).flatten(0, 1)
    scale = scale[(scale != 0).any(dim=1)]
    network.mean.copy_(scale.mean(dim=0))
    network.std.copy_(scale.std(dim=0).clamp_min(1e-3))
    return network


def true_scores(shards: Shards) -> np.ndarray:
    """True TomoScore of every volume, (n,), octaves."""
    predicted = []
    for start in range(0, len(shards), 64):
        part = shards.batch(np.arange(start, min(start + 64, len(shards))), None)
        curves = volume_curves(part.curves, part.content, part.measured.weight)
        predicted.append(soft_score(curves, part.below_nyquist).numpy())
    return np.concatenate(predicted)


def balanced(scores: np.ndarray) -> np.ndarray:
    """Odds of volumes, (n,), that make all scores about equally frequent.

    Most random simulations have low scores. A model trained on their natural frequencies predicts a
    low score whenever the statistics are ambiguous, as for a single image. Therefore each half
    octave of scores has the same odds, except for the lowest one, which holds the noise-only
    volumes and has `LOWEST_SCORE_ODDS` times these odds. The odds of a volume are limited to
    `MAX_ODDS` times the mean. The odds of volumes with at least `GOOD_SCORE` are then multiplied by
    `GOOD_ODDS`, so that ambiguous cases are predicted as is typical for the tomograms of users.
    """
    bin_ = np.minimum((scores * 2).astype(int), 2 * N_SCORED - 1)
    counts = np.bincount(bin_, minlength=2 * N_SCORED)
    odds = np.where(bin_ == 0, LOWEST_SCORE_ODDS, 1.0) / counts[bin_]
    odds = np.minimum(odds / odds.mean(), MAX_ODDS)
    odds = odds * np.where(scores >= GOOD_SCORE, GOOD_ODDS, 1.0)
    return np.asarray(odds / odds.sum())


@torch.no_grad()
def _approach(network: ResolvabilityNet, other: ResolvabilityNet, fraction: float) -> None:
    """Move the weights of a network towards those of another one, by a fraction of the distance."""
    goal = other.state_dict()
    for name, value in network.state_dict().items():
        value.lerp_(goal[name], fraction)


class Trainer:
    """State of a training run; `run` continues from a checkpoint if the folder has one.

    Args:
        folder: folder of the checkpoint and the log.
        shards: training samples.
        recipe: settings of the training.
        start: path of the initial weights; None for random weights.

    Raises:
        StartError: the initial weights cannot be used.
        ValueError: the checkpoint in the folder is from another recipe.
    """

    def __init__(
        self, folder: Path, shards: Shards, recipe: TrainingRecipe, start: Path | None = None
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.folder, self.shards = folder, shards
        self.recipe = replace(recipe, start=sha256_of(start)) if start else recipe
        self.network = initial_network(shards, start)
        self._odds = balanced(true_scores(shards))
        self._initial = copy.deepcopy(self.network)
        self.averaged = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()

    def run(self, report_every: int = 200, save_every: int = 1000) -> ResolvabilityNet:
        """Train to the last step; returns the averaged network in evaluation mode.

        The result contains the fraction `recipe.kept` of the initial weights.
        """
        started, losses = time.monotonic(), []
        for batch in self._batches():
            losses.append(self._train_on(batch))
            if self.step % report_every == 0:
                self._report(float(np.mean(losses)), time.monotonic() - started)
                losses = []
            if self.step % save_every == 0:
                self.save()
        self.save()
        trained = copy.deepcopy(self.averaged)
        _approach(trained, self._initial, self.recipe.kept)
        return trained.eval()

    def _train_on(self, batch: Batch) -> float:
        self.network.train()
        # Make the dropout of a step independent of interruptions of the run.
        torch.manual_seed(1_000_003 * self.recipe.seed + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        loss = loss_of(self.network(batch.measured), batch)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return float(loss.detach())

    def _average(self) -> None:
        decay = min(self.recipe.average, self.step / (self.step + 10))
        _approach(self.averaged, self.network, 1 - decay)

    def _batches(self) -> Iterator[Batch]:
        """Batches from the current step on; the next batch is read in the background."""
        with ThreadPoolExecutor(2) as pool:
            coming = [pool.submit(self._read, s) for s in range(self.step, self.step + 2)]
            for step in range(self.step, self.recipe.steps):
                batch = coming.pop(0).result()
                if step + 2 < self.recipe.steps:
                    coming.append(pool.submit(self._read, step + 2))
                yield batch

    def _read(self, step: int) -> Batch:
        """The batch of a step, independent of interruptions of the run."""
        rng = np.random.default_rng([self.recipe.seed, step])
        indices = rng.choice(len(self.shards), self.recipe.batch, p=self._odds)
        return self.shards.batch(indices, rng)

    def _report(self, loss: float, seconds: float) -> None:
        line = {"step": self.step, "loss": round(loss, 5), "seconds": round(seconds, 1)}
        print(json.dumps(line), flush=True)
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_path(self.checkpoint) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(
                f"{self.checkpoint}: expected the recipe {asdict(self.recipe)}, found "
                f"{state['recipe']}; use another folder"
            )
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])

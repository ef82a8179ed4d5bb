# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: checkpoints, resume, and a moving average of the weights."""

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
"""TomoScore in octaves from which tomograms are worth keeping, as most that users score are."""
GOOD_ODDS = 3.0
"""Odds of volumes from `GOOD_SCORE` on, relative to poorer ones."""
MAX_ODDS = 4.0
"""Largest odds of a volume, relative to the mean."""
EMPTY_TILE = 0.15
"""Weight of the curve of a tile without structure; its content is added to it."""


@dataclass(frozen=True)
class TrainingRecipe:
    """How the network is trained.

    Attributes:
        steps: batches in all.
        batch: volumes per batch.
        learning_rate: highest rate, reached after 3 % of the steps; a cosine to 0 follows.
        weight_decay: of AdamW.
        average: decay of the moving average of the weights.
        seed: of initial weights, order and augmentation.
        start: sha256 of the weights that training starts from; initial weights are random without.
        kept: fraction of the initial weights in the result, 0 to 1; such a mean of weights forgets
            less of what the initial ones were trained on (Wortsman et al. 2022, arXiv:2109.01903).
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
    """TomoScore in octaves, differentiable, of (b, N_BANDS) curves; see `records.bands`."""
    visible = ((curve - NOTHING_SEEN) / (READILY_SEEN - NOTHING_SEEN)).clamp(0, 1)
    return (visible * below_nyquist)[:, :N_SCORED].sum(dim=1)


def volume_curves(
    curves: torch.Tensor, content: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Curves of volumes by content, (v, N_BANDS); see `model.aggregation.weighted_curve`.

    Args:
        curves: (v, s, t, N_BANDS).
        content: (v, s, t, N_BANDS).
        weight: (v, s, t); tiles with less data than the engine uses do not count.
    """
    usable = (weight >= USABLE_WEIGHT).float()[..., None]
    total = (content * curves * usable).sum(dim=(1, 2))
    content_sum = (content * usable).sum(dim=(1, 2)) + CONTENT_FLOOR * usable.sum(dim=(1, 2))
    return total / content_sum.clamp_min(1e-6)


def loss_of(predicted: Prediction, batch: Batch) -> torch.Tensor:
    """Squared error of the curves and the content of tiles, and of volumes and their score.

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
    """A network with the mean and spread of each ratio of the samples, or weights to start from."""
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

    Random simulations are mostly poor. A model trained on them in their natural frequency predicts
    a poor score where the statistics do not decide, as for a single image. Each half octave gets
    the same odds, the lowest one, which holds the noise-only volumes, `LOWEST_SCORE_ODDS` times as
    much. No volume is drawn more than `MAX_ODDS` times as often as the mean one. Volumes from
    `GOOD_SCORE` on are then drawn `GOOD_ODDS` times as often: where the measurements do not decide,
    the network should expect what users have.
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
    """State of a training run; `run` continues from the checkpoint where there is one.

    Args:
        folder: for the checkpoint and the log.
        shards: what to train on.
        recipe: how.
        start: weights to start from.

    Raises:
        StartError: the weights to start from cannot be used.
        ValueError: the checkpoint in the folder is of another recipe.
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
        """Train to the last step; returns the averaged network, in evaluation mode.

        The fraction `recipe.kept` of the initial weights is added to it.
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
        # Dropout of a step is the same whether or not the run was interrupted.
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
        """Batches from the current step on, the next one being read meanwhile."""
        with ThreadPoolExecutor(2) as pool:
            coming = [pool.submit(self._read, s) for s in range(self.step, self.step + 2)]
            for step in range(self.step, self.recipe.steps):
                batch = coming.pop(0).result()
                if step + 2 < self.recipe.steps:
                    coming.append(pool.submit(self._read, step + 2))
                yield batch

    def _read(self, step: int) -> Batch:
        """The batch of a step: the same whether or not the run was interrupted."""
        rng = np.random.default_rng([self.recipe.seed, step])
        indices = rng.choice(len(self.shards), self.recipe.batch, p=self._odds)
        return self.shards.batch(indices, rng)

    def _report(self, loss: float, seconds: float) -> None:
        line = {"step": self.step, "loss": round(loss, 5), "seconds": round(seconds, 1)}
        print(json.dumps(line), flush=True)
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
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

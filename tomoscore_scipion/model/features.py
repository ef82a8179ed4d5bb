# SPDX-License-Identifier: GPL-3.0-or-later
"""Ratios that describe an octave and do not depend on its gain, from means of products.

The ratios of Gaussian noise are the same for every spectrum. Matter differs from it: matter is
sparse, skewed and oriented, its octaves are in phase at edges, and it continues in z.

In the formulas <name> is the mean of this name in `statistics.MEAN_TABLE`; log is to base 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, starmap
from typing import Callable

import torch

from tomoscore_scipion.model.sampling import CHANNEL_NAMES
from tomoscore_scipion.model.statistics import MEANS

_TINY = 1e-6
_AT = {name: index for index, name in enumerate(MEANS)}


class Means:
    """Means by name, and quantities that several ratios use.

    Args:
        values: (..., len(MEANS)) from `statistics.tile_means`, or averages of these over tiles.
    """

    def __init__(self, values: torch.Tensor) -> None:
        self._values = values
        self.own = self["energy_centre"] + _TINY
        self.amplitude = self["amplitude_2"] + _TINY
        self.riesz = self["riesz_2"] + _TINY
        self.coarse = self["coarse_2"] + _TINY

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._values[..., _AT[name]]

    def exist(self, name: str) -> torch.Tensor:
        """1 where a mean is positive, 0 where its images do not exist."""
        return (self[name] > 0).to(self._values.dtype)

    def norm(self, one: str, other: str) -> torch.Tensor:
        """Root of the product of the energies of two channels."""
        product = self[f"energy_{one}"] * self[f"energy_{other}"]
        return product.clamp_min(_TINY**2).sqrt()


Formula = Callable[[Means], torch.Tensor]


@dataclass(frozen=True)
class Ratio:
    """A ratio of means of an octave, independent of the octave's gain and of 90 degree rotations.

    Attributes:
        name: unique name of the ratio.
        formula: formula in the symbols of the module docstring.
        value: function that computes the ratio, (...,), from means.
        channels: required neighbours; the ratio is 0 without them.
        coarser: whether it depends on the next coarser octave; the ratio is 0 without one.
        odd: whether it changes sign with the contrast; other ratios do not depend on the contrast.
    """

    name: str
    formula: str
    value: Formula
    channels: tuple[str, ...] = ()
    coarser: bool = False
    odd: bool = False

    @property
    def invariances(self) -> tuple[str, ...]:
        """Changes of an octave that do not change the ratio."""
        return ("gain", "quarter turns", *(() if self.odd else ("contrast sign",)))


def _log(values: torch.Tensor) -> torch.Tensor:
    return torch.log10(values.clamp_min(1e-3))


def _energy(channel: str) -> Ratio:
    """Energy of a neighbour relative to the centre."""
    mean = f"energy_{channel}"
    formula = f"log(<{mean}> / <energy_centre>), clipped to +- 3"
    return Ratio(mean, formula, lambda m: _log(m[mean] / m.own).clamp(-3, 3), (channel,))


def _pair(prefix: str, mean: str, one: str, other: str) -> Ratio:
    """A mean of products of two channels relative to the root of their energies."""
    formula = f"<{mean}> / sqrt(<energy_{one}> * <energy_{other}>)"
    needed = tuple(name for name in (one, other) if name != CHANNEL_NAMES[0])
    name = f"{prefix}_{one}_{other}"
    return Ratio(name, formula, lambda m: m[mean] / m.norm(one, other), needed)


def _correlation(one: str, other: str) -> Ratio:
    return _pair("correlation", f"{one}_{other}", one, other)


def _coherence(size: str) -> Ratio:
    """Fraction of the Riesz energy with a common direction within squares of one size."""
    mean = f"tensor_{size}"
    formula = f"<{mean}> / <riesz_2>"
    return Ratio(f"coherence_{size}", formula, lambda m: m[mean] / m.riesz)


def _clustering(size: str) -> Ratio:
    """Unevenness of the distribution of energy over squares of one size."""
    mean = f"energy_{size}"
    formula = f"log(<{mean}> / <amplitude_2>^2)"
    return Ratio(f"clustering_{size}", formula, lambda m: _log(m[mean] / m.amplitude**2))


def _with_coarser(name: str, formula: str, value: Formula, odd: bool = False) -> Ratio:
    return Ratio(f"coarser_{name}", formula, value, coarser=True, odd=odd)


RATIO_TABLE = (
    *map(_energy, CHANNEL_NAMES[1:]),
    *starmap(_correlation, combinations(("centre", "near", "far", "distant"), 2)),
    Ratio(
        "amplitude_evenness",
        "log(<amplitude>^2 / <amplitude_2>)",
        lambda m: _log(m["amplitude"] ** 2 / m.amplitude),
    ),
    Ratio(
        "amplitude_kurtosis",
        "log(<amplitude_4> / <amplitude_2>^2)",
        lambda m: _log(m["amplitude_4"] / m.amplitude**2),
    ),
    Ratio(
        "evenness",
        "log(<absolute>^2 / <energy_centre>)",
        lambda m: _log(m["absolute"] ** 2 / m.own),
    ),
    Ratio("kurtosis", "log(<fourth> / <energy_centre>^2)", lambda m: _log(m["fourth"] / m.own**2)),
    Ratio(
        "skewness",
        "<cube> / <energy_centre>^1.5, clipped to +- 4",
        lambda m: (m["cube"] / m.own**1.5).clamp(-4, 4),
        odd=True,
    ),
    Ratio("riesz_energy", "log(<riesz_2> / <energy_centre>)", lambda m: _log(m["riesz_2"] / m.own)),
    *map(_coherence, ("2", "4", "8", "cell")),
    Ratio(
        "coherence_tile",
        "sqrt(<tensor_cos>^2 + <tensor_sin>^2) / <riesz_2>",
        lambda m: (m["tensor_cos"] ** 2 + m["tensor_sin"] ** 2).sqrt() / m.riesz,
    ),
    *map(_clustering, ("2", "4", "8", "cell")),
    _with_coarser(
        "energy",
        "log(<energy_coarse> / (<amplitude_2> * <coarse_2>))",
        lambda m: _log(m["energy_coarse"] / (m.amplitude * m.coarse)),
    ),
    _with_coarser(
        "image",
        "<energy_image> / (<amplitude_2> * sqrt(<coarse_2> / 2)), clipped to +- 4",
        lambda m: (m["energy_image"] / (m.amplitude * (0.5 * m.coarse).sqrt())).clamp(-4, 4),
        odd=True,
    ),
    _with_coarser(
        "direction",
        "<tensor_coarse> / (<riesz_2> * <coarse_2>), clipped to +- 4",
        lambda m: (m["tensor_coarse"] / (m.riesz * m.coarse)).clamp(-4, 4),
    ),
    _with_coarser(
        "phase",
        "<phase_coarse> / (sqrt(<amplitude_2>) * <coarse_2>), clipped to +- 4",
        lambda m: (m["phase_coarse"] / (m.amplitude.sqrt() * m.coarse)).clamp(-4, 4),
        odd=True,
    ),
    *(_pair("absolute", f"strength_{name}", "centre", name) for name in CHANNEL_NAMES[1:]),
)
"""All ratios of an octave, in order; a trained model is valid for one table only."""
RATIOS = tuple(ratio.name for ratio in RATIO_TABLE)
N_RATIOS = len(RATIOS)
ODD = tuple(index for index, ratio in enumerate(RATIO_TABLE) if ratio.odd)
"""Indices of the ratios that change sign with the contrast."""
SINGLE_CHANNEL = tuple(index for index, ratio in enumerate(RATIO_TABLE) if not ratio.channels)
"""Indices of the ratios of the centre channel alone, which every volume has."""


def ratios(means: torch.Tensor) -> torch.Tensor:
    """Ratios of (..., len(MEANS)) means, (..., N_RATIOS); 0 where there is no data."""
    m = Means(means)
    exist = {name: m.exist(f"energy_{name}") for name in CHANNEL_NAMES}
    has_coarser = m.exist("coarse_2")
    out = []
    for ratio in RATIO_TABLE:
        value = ratio.value(m)
        for channel in ratio.channels:
            value = value * exist[channel]
        out.append(value * has_coarser if ratio.coarser else value)
    return torch.stack(out, dim=-1) * exist["centre"][..., None]


def energies(means: torch.Tensor, log_power: torch.Tensor) -> torch.Tensor:
    """log10 power of tiles, comparable within a volume and octave.

    Args:
        means: (v, s, t, OCTAVES, len(MEANS)).
        log_power: (v, s, OCTAVES), log10 of the power before scaling to 1.

    Returns:
        (v, s, t, OCTAVES).
    """
    return _log(means[..., _AT["energy_centre"]]) + log_power[:, :, None]

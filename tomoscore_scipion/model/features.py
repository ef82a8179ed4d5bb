# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that describe an octave and do not depend on its strength, from the means of products.

Gaussian noise has the same ratios whatever its spectrum; matter is sparse, skewed and directed,
its octaves meet at edges, and it persists through z.
"""

from __future__ import annotations

import torch

from tomoscore_scipion.model.statistics import MEANS

RATIOS = (
    "near, far and distant energy over that of the centre, log10",
    "far",
    "distant",
    "correlation of centre and near",
    "centre and far",
    "centre and distant",
    "near and far",
    "near and distant",
    "far and distant",
    "squared mean amplitude over mean squared amplitude, log10",
    "kurtosis of the amplitude, log10",
    "squared mean absolute value over mean square, log10",
    "kurtosis, log10",
    "skewness",
    "Riesz energy over energy, log10",
    "coherence of directions over 2 pixels",
    "4 pixels",
    "8 pixels",
    "cells",
    "the whole tile",
    "clustering of energy over 2 pixels, log10",
    "4 pixels",
    "8 pixels",
    "cells",
    "energies of this octave and the next coarser one, log10",
    "energy with the coarser image",
    "directions with the coarser octave's",
    "phases with twice the coarser octave's",
    "absolute values of centre and near",
    "centre and far",
    "centre and distant",
)
"""What the ratios of an octave are, in order."""
N_RATIOS = len(RATIOS)

_TINY = 1e-6
ODD = tuple(
    RATIOS.index(name)
    for name in (
        "skewness",
        "energy with the coarser image",
        "phases with twice the coarser octave's",
    )
)
"""Places of the ratios that change sign with the contrast."""

_AT = {name: place for place, name in enumerate(MEANS)}


def ratios(means: torch.Tensor) -> torch.Tensor:
    """Ratios of (..., len(MEANS)) means, (..., N_RATIOS); 0 where there is no data."""
    m = {name: means[..., place] for name, place in _AT.items()}
    own = m["energy_centre"] + _TINY
    amplitude = m["amplitude_2"] + _TINY
    energies = [m[f"energy_{name}"] for name in ("centre", "near", "far", "distant")]
    present = [(energy > 0).to(means.dtype) for energy in energies]
    pairs = {"centre_near": (0, 1), "centre_far": (0, 2), "centre_distant": (0, 3)}
    pairs |= {"near_far": (1, 2), "near_distant": (1, 3), "far_distant": (2, 3)}
    norm = {
        k: (energies[i] * energies[j]).clamp_min(_TINY**2).sqrt() for k, (i, j) in pairs.items()
    }
    coarse = m["coarse_2"] + _TINY
    has_coarse = (m["coarse_2"] > 0).to(means.dtype)
    out = [
        *((_log(e / own).clamp(-3, 3)) * p for e, p in zip(energies[1:], present[1:])),
        *(m[name] / norm[name] for name in pairs),
        _log(m["amplitude"] ** 2 / amplitude),
        _log(m["amplitude_4"] / amplitude**2),
        _log(m["absolute"] ** 2 / own),
        _log(m["fourth"] / own**2),
        (m["cube"] / own**1.5).clamp(-4, 4),
        _log(m["riesz_2"] / own),
        *(m[f"tensor_{size}"] / (m["riesz_2"] + _TINY) for size in ("2", "4", "8", "cell")),
        (m["tensor_cos"] ** 2 + m["tensor_sin"] ** 2).sqrt() / (m["riesz_2"] + _TINY),
        *(_log(m[f"energy_{size}"] / amplitude**2) for size in ("2", "4", "8", "cell")),
        _log(m["energy_coarse"] / (amplitude * coarse)) * has_coarse,
        (m["energy_image"] / (amplitude * (0.5 * coarse).sqrt())).clamp(-4, 4) * has_coarse,
        (m["tensor_coarse"] / ((m["riesz_2"] + _TINY) * coarse)).clamp(-4, 4) * has_coarse,
        (m["phase_coarse"] / (amplitude.sqrt() * coarse)).clamp(-4, 4) * has_coarse,
        *(
            m[f"strength_{name}"] / norm[f"centre_{name}"] * exists
            for name, exists in zip(("near", "far", "distant"), present[1:])
        ),
    ]
    return torch.stack(out, dim=-1) * (m["energy_centre"] > 0).to(means.dtype)[..., None]


def _log(values: torch.Tensor) -> torch.Tensor:
    return torch.log10(values.clamp_min(1e-3))


def energies(means: torch.Tensor, log_power: torch.Tensor) -> torch.Tensor:
    """log10 power of tiles, comparable within a volume and octave.

    Args:
        means: (v, s, t, OCTAVES, len(MEANS)).
        log_power: (v, s, OCTAVES).

    Returns:
        (v, s, t, OCTAVES).
    """
    return _log(means[..., _AT["energy_centre"]]) + log_power[:, :, None]

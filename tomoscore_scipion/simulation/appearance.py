# SPDX-License-Identifier: GPL-3.0-or-later
"""Appearance of a written tomogram: contrast sign, gradient, empty borders, quantisation."""

from __future__ import annotations

import numpy as np
import torch

from tomoscore_scipion.simulation.recipe import Recipe


def finish(
    rng: np.random.Generator, stack: torch.Tensor, recipe: Recipe, voxel_nm: float
) -> torch.Tensor:
    """Apply the appearance of a recipe to planes (z, y, x); gain and offset are arbitrary.

    Args:
        rng: source of randomness.
        stack: (z, y, x) planes.
        recipe: contrast sign, gradient, border and data type.
        voxel_nm: voxel size in nm.

    Returns:
        Planes of the same shape, float32.
    """
    stack = stack / max(float(stack.std()), 1e-12)
    if not recipe.dark_matter:
        stack = -stack
    if recipe.gradient:
        stack = stack + recipe.gradient * _gradient(rng, stack.shape[-2:])
    stack = quantise(stack, recipe.quantisation)
    if recipe.border_nm:
        stack = _with_border(rng, stack, int(recipe.border_nm / voxel_nm))
    return stack


def _gradient(rng: np.random.Generator, shape_yx: torch.Size) -> torch.Tensor:
    """A smooth gradient over the field, about -1 to 1."""
    y = torch.linspace(-1, 1, shape_yx[0])[:, None]
    x = torch.linspace(-1, 1, shape_yx[1])[None, :]
    a, b, c = rng.standard_normal(3)
    return (a * y + b * x + c * x * y) / 2


def quantise(stack: torch.Tensor, kind: str) -> torch.Tensor:
    """Round to int16 or int8 over +-6 standard deviations; float32 is unchanged."""
    if kind == "float32":
        return stack
    levels = {"int16": 32767.0, "int8": 127.0}[kind]
    spread = max(float(stack.std()), 1e-12)
    return (stack * (levels / (6 * spread))).round().clamp(-levels, levels)


def _with_border(rng: np.random.Generator, stack: torch.Tensor, width_px: int) -> torch.Tensor:
    """Set strips at some edges to a constant, as alignment does."""
    fill = float(rng.choice([0.0, float(stack.mean()), float(stack.min())]))
    out = stack.clone()
    for side in range(4):
        width = int(width_px * rng.random() * (rng.random() < 0.6))
        if width:
            axis = 1 if side < 2 else 2
            start = 0 if side in (0, 2) else max(0, out.shape[axis] - width)
            out.narrow(axis, start, min(width, out.shape[axis])).fill_(fill)
    return out

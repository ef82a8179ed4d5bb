# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of the random distributions; older ones remain available for benchmarks."""

WORLDS = ("0.1", "0.2")
"""Of weights: "0.1" has free mixtures of ingredients and fewer ways of recording and filtering."""
NEWEST_WORLD = WORLDS[-1]
INGREDIENTS = ("membranes", "vesicles", "filaments", "ribosomes", "complexes", "granules")
"""What a specimen can contain; each can be switched off."""


def is_old(world: str) -> bool:
    """Whether a world is older than the newest.

    Raises:
        ValueError: there is no such world.
    """
    if world not in WORLDS:
        raise ValueError(f"world: expected one of {WORLDS}, got {world!r}")
    return world != NEWEST_WORLD

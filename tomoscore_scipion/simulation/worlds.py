# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of the random distributions; older ones remain available for benchmarks."""

WORLDS = ("0.1", "0.2")
"""Versions; "0.1" has only free mixtures of ingredients, and fewer detectors and filters."""
NEWEST_WORLD = WORLDS[-1]
INGREDIENTS = ("membranes", "vesicles", "filaments", "ribosomes", "complexes", "granules")
"""Ingredients that a specimen can contain; each can be left out."""


def is_old(world: str) -> bool:
    """Whether a world is older than the newest one.

    Raises:
        ValueError: the world does not exist.
    """
    if world not in WORLDS:
        raise ValueError(f"world: expected one of {WORLDS}, got {world!r}")
    return world != NEWEST_WORLD

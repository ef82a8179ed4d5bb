# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulate one tomogram and its ground truth from a seed, and write both files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

import mrcfile
import numpy as np

from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.records.bands import readable_scale
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.line_file import write_file
from tomoscore_scipion.simulation.acquisition import Microscope, tomogram
from tomoscore_scipion.simulation.generator import GENERATOR_VERSION
from tomoscore_scipion.simulation.grid import Grid
from tomoscore_scipion.simulation.quality import QUALITIES, RANDOM
from tomoscore_scipion.simulation.recipe import Recipe, random_recipe
from tomoscore_scipion.simulation.specimen import Specimen, random_specimen
from tomoscore_scipion.simulation.summary import truth_summary
from tomoscore_scipion.simulation.worlds import INGREDIENTS

SCHEMA = 1
"""Version of the format of the truth files."""

STREAM = 6
"""First number of the seeds of `tomoscore simulate`; other users of seeds have other numbers."""
FIELD_STEP_NM = 48.0
"""Fields are a multiple of this, the edge of the cells of the tiles."""
FIELD_RANGE_NM = (192.0, 1536.0)
"""Minimum: one tile, as the coarsest band needs. Maximum: limited by memory of small computers."""
THICKNESS_NM = (40.0, 300.0)
FILLED_THICKNESS_NM = (60.0, 150.0)
FILLED_VARIANCE = 0.02
"""Minimum variance of the density; a specimen with less shows too little of the image quality."""
HEADROOM = 1.3
"""Ratio of the height of the tomogram to the height of the specimen."""


@dataclass(frozen=True)
class Request:
    """Options of a simulation; the seed determines the rest.

    Attributes:
        quality: one of `QUALITIES`, on a well-filled specimen without contamination; or "random".
        field_nm: width of the field of view.
        thickness_nm: range of the slab's thickness; None for 40 to 300 with random quality and 60
            to 150 with the other qualities.
        without: ingredients to leave out, from `INGREDIENTS`, or "contamination".
        fixed: parameters of `Recipe` with fixed values.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    quality: str = RANDOM
    field_nm: float = 768.0
    thickness_nm: tuple[float, float] | None = None
    without: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.quality not in (*QUALITIES, RANDOM):
            names = ", ".join((*QUALITIES, RANDOM))
            raise ValueError(f"quality: expected one of {names}, got {self.quality!r}")
        low, high = FIELD_RANGE_NM
        if not low <= self.field_nm <= high or self.field_nm % FIELD_STEP_NM:
            raise ValueError(
                f"field of view: expected a multiple of {FIELD_STEP_NM:g} nm from {low:g} to "
                f"{high:g}, got {self.field_nm:g}"
            )
        if self.thickness_nm and not 20 <= self.thickness_nm[0] <= self.thickness_nm[1] <= 500:
            raise ValueError(
                "thickness: expected a lower and an upper limit within 20 to 500 nm, got "
                f"{self.thickness_nm[0]:g} and {self.thickness_nm[1]:g}"
            )
        if not set(INGREDIENTS) - set(self.without):
            raise ValueError(f"expected at least one ingredient of {', '.join(INGREDIENTS)}")
        replace(Recipe(), **self.fixed)  # raises ValueError for an invalid parameter

    @property
    def grid(self) -> Grid:
        """The sampling of the specimen."""
        return Grid(n=round(self.field_nm / Grid().pixel_nm))


def simulate(seed: int, request: Request | None = None) -> tuple[np.ndarray, dict[str, Any]]:
    """Simulate a tomogram; the same seed and request give the same result.

    Args:
        seed: 0 or greater.
        request: the options.

    Returns:
        The tomogram (z, y, x) in the data type of the recipe, and the truth as written to JSON.

    Raises:
        StartError: specimens with the allowed ingredients have too little structure.
    """
    request = request or Request()
    rng = np.random.default_rng([STREAM, seed])
    specimen = _specimen(rng, request)
    recipe = _recipe(rng, request)
    acquisition = Microscope(specimen).acquire(rng, recipe, HEADROOM)
    stack, curves, content = tomogram(rng, acquisition)
    voxel_size_angstrom = round(10 * acquisition.voxel_nm, 4)
    truth = {
        "schema": SCHEMA,
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "request": asdict(request),
        "recipe": asdict(recipe),
        "contents": list(specimen.contents),
        "thickness_nm": round(specimen.ice_nm, 2),
        "voxel_size_angstrom": voxel_size_angstrom,
        "shape_zyx": list(stack.shape),
        "slab_z": list(acquisition.slab_z()),
        **truth_summary(curves.numpy(), content.numpy(), acquisition.slab_z(), voxel_size_angstrom),
    }
    return _typed(stack.numpy(), recipe.quantisation), truth


def _specimen(rng: np.random.Generator, request: Request) -> Specimen:
    if request.quality == RANDOM:
        thickness = request.thickness_nm or THICKNESS_NM
        return random_specimen(rng, request.grid, request.without, thickness)
    thickness = request.thickness_nm or FILLED_THICKNESS_NM
    without = tuple({*request.without, "contamination"})
    for _ in range(20):
        specimen = random_specimen(rng, request.grid, without, thickness, empty=False)
        if float(specimen.density.var()) >= FILLED_VARIANCE:
            return specimen
    raise StartError(
        f"with so few ingredients no specimen is filled enough for {request.quality} quality: "
        f"leave out fewer, or ask for {RANDOM} quality"
    )


def _recipe(rng: np.random.Generator, request: Request) -> Recipe:
    if request.quality == RANDOM:
        return random_recipe(rng, **request.fixed)
    return replace(QUALITIES[request.quality], **request.fixed)


def _typed(stack: np.ndarray, quantisation: str) -> np.ndarray:
    """The planes in their stored data type: float32, int16 or int8."""
    return stack if quantisation == "float32" else np.rint(stack).astype(quantisation)


def write(stem: Path, stack: np.ndarray, truth: Mapping[str, Any]) -> Path:
    """Write stem.mrc, then stem.json; existing files are replaced.

    Args:
        stem: path of both files without suffix.
        stack: (z, y, x) float32, int16 or int8.
        truth: ground truth from `simulate`.

    Returns:
        Path of the tomogram.

    Raises:
        StartError: the files cannot be written.
    """
    path = stem.with_name(stem.name + ".mrc")
    try:
        with atomic_path(path) as temporary, mrcfile.new(temporary, stack) as mrc:
            mrc.voxel_size = truth["voxel_size_angstrom"]
            mrc.add_label(f"Simulated by TomoScore, generator {GENERATOR_VERSION}")
    except OSError as error:
        raise StartError(
            f"cannot write {path}: {error.strerror}: name a folder that can be written"
        ) from error
    write_file(f"{stem}.json", json.dumps(truth, indent=1, allow_nan=False) + "\n")
    return path


def truth_line(path: Path, truth: Mapping[str, Any]) -> str:
    """Summary of a written tomogram in one line."""
    shape = " x ".join(str(n) for n in truth["shape_zyx"])
    scale = readable_scale(truth["scale_nm"])
    return f"{path}  {shape}  true TomoScore {truth['tomoscore']:.2f} ({scale})"

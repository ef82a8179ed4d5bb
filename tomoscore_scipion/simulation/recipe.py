# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of imaging and reconstruction, drawn at random along every axis of quality."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tomoscore_scipion.simulation.worlds import NEWEST_WORLD, is_old

ORDERS = ("dose_symmetric", "bidirectional", "unidirectional")
FILTERS = ("ramp", "ramp_rolloff", "hamming", "sirt_like", "sart_like")
VIEW_SCALINGS = ("mean", "spread", "counts")
"""Property that is made equal between views: mean, spread, or none (counts)."""
CTF_CORRECTIONS = ("none", "phase_flip", "wiener", "multiply")
MTF_SHAPES = ("none", "sinc", "gaussian")
INTERPOLATIONS = ("none", "linear", "cubic")
BAND_PASSES = ("none", "gaussian", "butterworth")
POST_PROCESSING = (
    "none",
    "gaussian",
    "lowpass",
    "median",
    "nlm",
    "diffusion",
    "learned_like",
    "wedge_fill",
    "deconvolution",
    "noise2noise",
    "restored",
)
TRAINED = "noise2noise"
"""Name of the post-processing that needs the two halves of the tomogram."""
POST_PROCESSING_ODDS = (0.55, 0.08, 0.05, 0.03, 0.01, 0.02, 0.02, 0.02, 0.03, 0.1, 0.09)
OLD_POST_PROCESSING_ODDS = (0.5, 0.11, 0.07, 0.05, 0.02, 0.05, 0.1, 0.05, 0.05)
"""Odds of the post-processings of world 0.1, up to and including "deconvolution"."""

RANGES = {
    "max_tilt_deg": (1.0, 75.0),
    "tilt_step_deg": (0.1, 30.0),
    "pretilt_deg": (-45.0, 45.0),
    "total_dose": (1e-6, 1e9),
    "defocus_nm": (-1e5, 1e5),
    "amplitude_contrast": (0.0, 1.0),
    "mean_free_path_nm": (1.0, 1e9),
    "quantum_efficiency": (1e-6, 1.0),
    "misalignment_nm": (0.0, 1e4),
    "drift_nm": (0.0, 1e4),
    "axis_error_deg": (-30.0, 30.0),
    "unaligned_nm": (0.0, 1e4),
    "local_motion_nm": (0.0, 1e4),
    "motion_blur_nm": (0.0, 1e4),
    "bad_tilts": (0.0, 1.0),
    "rolloff": (0.0, 1.0),
    "falloff": (0.0, 1.0),
    "signal_mtf": (0.01, 1.0),
    "noise_mtf": (0.01, 1.0),
    "deconvolution_strength": (0.0, 2.0),
    "deconvolution_falloff": (0.0, 5.0),
    "band_low_nm": (1.0, 1e6),
    "band_high_nm": (0.0, 100.0),
    "sirt_iterations": (1, 10000),
    "voxel_nm": (1.5, 6.0),
    "binning": (1, 4),
    "strength": (0.0, 1.0),
    "gradient": (0.0, 1e6),
    "border_nm": (0.0, 1e4),
}
"""Minimum and maximum of every number in a recipe."""


@dataclass(frozen=True)
class Recipe:
    """One acquisition and reconstruction.

    Angles are in degrees, lengths in nm, doses in e/A^2. Misalignment excludes the part that shifts
    the volume as a whole. The voxel is the voxel of the reconstruction; the tomogram is binned by
    `binning` after the post-processing. `signal_mtf` and `noise_mtf` are the amplitudes of the
    detector at a period of 3 nm. A deconvolution strength of 0 means no deconvolution. With
    `picture`, single slices are 8-bit pictures (`picture.as_picture`).

    Raises:
        ValueError: a value is not allowed or outside `RANGES`.
    """

    max_tilt_deg: float = 60.0
    tilt_step_deg: float = 3.0
    order: str = "dose_symmetric"
    pretilt_deg: float = 0.0
    total_dose: float = 120.0
    defocus_nm: float = 4000.0
    amplitude_contrast: float = 0.07
    mean_free_path_nm: float = 300.0
    energy_filter: bool = True
    quantum_efficiency: float = 0.7
    damage: bool = True
    misalignment_nm: float = 0.0
    drift_nm: float = 0.0
    axis_error_deg: float = 0.0
    unaligned_nm: float = 0.0
    local_motion_nm: float = 0.0
    motion_blur_nm: float = 0.0
    bad_tilts: float = 0.0
    erase_beads: bool = False
    view_scaling: str = "mean"
    filter: str = "ramp_rolloff"
    rolloff: float = 0.35
    sirt_iterations: int = 12
    linear_interpolation: bool = True
    ctf_correction: str = "none"
    dose_weighting: bool = False
    falloff: float = 0.05
    mtf_shape: str = "none"
    signal_mtf: float = 1.0
    noise_mtf: float = 1.0
    alignment_interpolation: str = "none"
    deconvolution_strength: float = 0.0
    deconvolution_falloff: float = 1.1
    band_pass: str = "none"
    band_low_nm: float = 200.0
    band_high_nm: float = 4.0
    voxel_nm: float = 1.5
    binning: int = 1
    post: str = "none"
    strength: float = 0.5
    dark_matter: bool = True
    quantisation: str = "float32"
    gradient: float = 0.0
    border_nm: float = 0.0
    picture: bool = False

    def __post_init__(self) -> None:
        choices = {
            "order": ORDERS,
            "view_scaling": VIEW_SCALINGS,
            "filter": FILTERS,
            "ctf_correction": CTF_CORRECTIONS,
            "mtf_shape": MTF_SHAPES,
            "alignment_interpolation": INTERPOLATIONS,
            "band_pass": BAND_PASSES,
            "post": POST_PROCESSING,
            "quantisation": ("float32", "int16", "int8"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {allowed}, got {getattr(self, name)!r}")
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                value = getattr(self, name)
                raise ValueError(f"{name}: expected {low:g} to {high:g}, got {value!r}")


AXES: dict[str, tuple[str, ...]] = {
    "misalignment": ("misalignment_nm", "drift_nm", "axis_error_deg", "unaligned_nm"),
    "motion": ("local_motion_nm", "motion_blur_nm"),
    "bad_tilts": ("bad_tilts",),
    "recording": ("mtf_shape", "signal_mtf", "noise_mtf", "alignment_interpolation"),
    "post_processing": ("post", "strength", "deconvolution_strength", "band_pass"),
    "appearance": ("dark_matter", "quantisation", "gradient", "border_nm", "picture"),
    "ctf": ("ctf_correction",),
    "dose_weighting": ("dose_weighting",),
    "voxel": ("voxel_nm", "binning"),
}
"""Groups of parameters; a whole group can keep its defaults."""


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_recipe(
    rng: np.random.Generator,
    switched_off: tuple[str, ...] = (),
    world: str = NEWEST_WORLD,
    **fixed: Any,
) -> Recipe:
    """Draw a recipe.

    Args:
        rng: source of randomness.
        switched_off: groups of `AXES` that stay at their defaults.
        world: version of the distributions, from `worlds.WORLDS`.
        fixed: parameters of `Recipe` with fixed values.
    """
    drawn: dict[str, Any] = {**_tilts(rng), **_beam(rng), **_faults(rng), **_reconstruction(rng)}
    drawn.update(_appearance(rng))
    if not is_old(world):
        drawn.update({**_recording(rng), **_filters(rng)})
    default = Recipe()
    for axis in switched_off:
        drawn.update({name: getattr(default, name) for name in AXES[axis]})
    unknown = set(fixed) - {f.name for f in fields(Recipe)}
    if unknown:
        raise ValueError(f"unknown parameters of a recipe: {sorted(unknown)}")
    return replace(default, **{**drawn, **fixed})


def ordinary_recipe(rng: np.random.Generator) -> Recipe:
    """Draw a recipe of an ordinary, successful session.

    Total doses of 60 to 180 e/A^2, tilts up to 48-66 degrees, alignment errors of 0.2-3.5 nm, few
    or no bad views, no binning. Reconstruction, post-processing and appearance are drawn as in
    `random_recipe`.
    """
    sound = replace(
        random_recipe(rng, switched_off=("misalignment", "motion", "bad_tilts")),
        max_tilt_deg=float(rng.uniform(48, 66)),
        tilt_step_deg=float(rng.choice([1.5, 2, 3, 3, 4])),
        total_dose=_log_uniform(rng, 60, 180),
        defocus_nm=_log_uniform(rng, 1500, 8000),
        misalignment_nm=_log_uniform(rng, 0.2, 3.5),
        axis_error_deg=float(rng.normal(0, 0.3)),
    )
    if rng.random() < 0.4:
        sound = replace(sound, local_motion_nm=float(rng.uniform(0.3, 2)))
    if rng.random() < 0.15:
        sound = replace(sound, bad_tilts=float(rng.uniform(0.02, 0.1)))
    return sound


def raw_recipe(
    rng: np.random.Generator, misalignment_nm: tuple[float, float] = (0.3, 4.0)
) -> Recipe:
    """Draw a recipe of a plain tomogram: an ordinary session, back-projected and nothing else.

    41 tilts to 60 degrees, 60 to 140 e/A^2, weighted back-projection at 2 nm per voxel, no filter
    or denoiser.

    Args:
        rng: source of randomness.
        misalignment_nm: range of the misalignment, drawn log-uniformly.
    """
    return Recipe(
        voxel_nm=2.0,
        ctf_correction="phase_flip",
        misalignment_nm=_log_uniform(rng, *misalignment_nm),
        defocus_nm=float(rng.uniform(2000, 5000)),
        total_dose=float(rng.uniform(60, 140)),
        quantum_efficiency=_log_uniform(rng, 0.1, 0.9),
        local_motion_nm=float(rng.uniform(0, 1.5)),
    )


def _tilts(rng: np.random.Generator) -> dict[str, Any]:
    steps = [5, 6, 9, 12, 20] if rng.random() < 0.12 else [1.5, 2, 3, 3, 4]
    narrow = rng.random() < 0.08
    return {
        "max_tilt_deg": float(rng.uniform(20, 40) if narrow else rng.uniform(40, 66)),
        "tilt_step_deg": float(rng.choice(steps)),
        "order": str(rng.choice(ORDERS)),
        "pretilt_deg": float(rng.choice([0, 0, 0, 1])) * float(rng.uniform(-15, 15)),
    }


def _beam(rng: np.random.Generator) -> dict[str, Any]:
    usual_dose = rng.random() < 0.93
    return {
        "total_dose": _log_uniform(rng, 25, 200) if usual_dose else _log_uniform(rng, 3, 25),
        "defocus_nm": _log_uniform(rng, 1500, 10000),
        "amplitude_contrast": float(rng.choice([0.07, 0.1, 0.15])),
        "mean_free_path_nm": float(rng.uniform(200, 350)),
        "energy_filter": bool(rng.random() < 0.7),
        "quantum_efficiency": _log_uniform(rng, 0.08, 0.95),
    }


def _faults(rng: np.random.Generator) -> dict[str, Any]:
    well_aligned = rng.random() < 0.5
    return {
        "misalignment_nm": float(rng.uniform(0, 1)) if well_aligned else _log_uniform(rng, 0.7, 20),
        "drift_nm": 0.0 if rng.random() < 0.75 else _log_uniform(rng, 1, 25),
        "axis_error_deg": 0.0 if rng.random() < 0.75 else float(rng.normal(0, 2.0)),
        "unaligned_nm": 0.0 if rng.random() < 0.93 else _log_uniform(rng, 15, 120),
        "local_motion_nm": 0.0 if rng.random() < 0.7 else _log_uniform(rng, 0.5, 8),
        "motion_blur_nm": 0.0 if rng.random() < 0.7 else _log_uniform(rng, 0.5, 6),
        "bad_tilts": 0.0 if rng.random() < 0.75 else float(rng.uniform(0.02, 0.3)),
        "erase_beads": bool(rng.random() < 0.3),
    }


def _reconstruction(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "view_scaling": str(rng.choice(VIEW_SCALINGS)),
        "filter": str(rng.choice(FILTERS[:4], p=[0.2, 0.35, 0.15, 0.3])),
        "rolloff": float(rng.uniform(0.15, 0.5)),
        "sirt_iterations": int(rng.integers(3, 40)),
        "linear_interpolation": bool(rng.random() < 0.7),
        "ctf_correction": str(rng.choice(CTF_CORRECTIONS[:2])),
        "dose_weighting": bool(rng.random() < 0.4),
        "voxel_nm": 1.5 if rng.random() < 0.5 else _log_uniform(rng, 1.5, 4.0),
        "post": str(rng.choice(POST_PROCESSING[:9], p=OLD_POST_PROCESSING_ODDS)),
        "strength": float(rng.random()),
    }


def _appearance(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "dark_matter": bool(rng.random() < 0.75),
        "quantisation": str(rng.choice(["float32", "int16", "int8"])),
        "gradient": 0.0 if rng.random() < 0.8 else _log_uniform(rng, 0.1, 5),
        "border_nm": 0.0 if rng.random() < 0.85 else float(rng.uniform(5, 120)),
    }


def _recording(rng: np.random.Generator) -> dict[str, Any]:
    """Detector and resampling of the aligned views; world 0.1 has neither."""
    shape = str(rng.choice(MTF_SHAPES, p=[0.3, 0.4, 0.3]))
    signal = 1.0 if shape == "none" else float(rng.uniform(0.25, 0.95))
    noise = 1.0 if shape == "none" or rng.random() < 0.4 else float(rng.uniform(signal, 1))
    return {
        "mtf_shape": shape,
        "signal_mtf": signal,
        "noise_mtf": noise,
        "alignment_interpolation": str(rng.choice(INTERPOLATIONS, p=[0.3, 0.4, 0.3])),
        "picture": bool(rng.random() < 0.12),
    }


def _filters(rng: np.random.Generator) -> dict[str, Any]:
    """Reconstruction and filters of current programs; they replace the filters of world 0.1."""
    coarse = rng.random() < 0.5
    return {
        "filter": str(rng.choice(FILTERS, p=[0.15, 0.35, 0.1, 0.28, 0.12])),
        "rolloff": 0.35 if rng.random() < 0.3 else float(rng.uniform(0.1, 0.5)),
        "falloff": 0.05 if rng.random() < 0.4 else _log_uniform(rng, 0.02, 0.2),
        "sirt_iterations": int(round(_log_uniform(rng, 1, 50))),
        "ctf_correction": str(rng.choice(CTF_CORRECTIONS, p=[0.45, 0.35, 0.12, 0.08])),
        "post": str(rng.choice(POST_PROCESSING, p=POST_PROCESSING_ODDS)),
        "deconvolution_strength": 0.0 if rng.random() < 0.83 else float(rng.uniform(0.2, 1.3)),
        "deconvolution_falloff": float(rng.uniform(0.6, 1.4)),
        "band_pass": str(rng.choice(BAND_PASSES, p=[0.85, 0.08, 0.07])),
        "band_low_nm": _log_uniform(rng, 60, 2000),
        "band_high_nm": _log_uniform(rng, 3, 12) if coarse else _log_uniform(rng, 0.5, 3),
    }

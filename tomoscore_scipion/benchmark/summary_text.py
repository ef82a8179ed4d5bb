# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a benchmark as text."""

from __future__ import annotations

from typing import Any

from tomoscore_scipion.records.bands import PERIODS_NM


def summary_text(figures: dict[str, Any]) -> str:
    """The figures as text."""
    model = figures["model"]
    lines = [f"{model['name']} {model['version']}  sha256 {model['sha256'][:16]}", ""]
    lines += _comparison(figures)
    if "ordinary" in figures:
        lines += ["", "ordinary tomograms: good alignment, typical dose and tilts"]
        lines += [f"  {line}".rstrip() for line in _comparison(figures["ordinary"])]
    if "old_world" in figures:
        lines += ["", "tomograms of the simulation of version 0.1"]
        lines += [f"  {line}".rstrip() for line in _comparison(figures["old_world"])]
    if "nulls" in figures:
        lines += ["", "nulls: TomoScore of volumes of noise only"]
        lines += [f"  {name:30} {value:.2f}" for name, value in figures["nulls"].items()]
    if "phantoms" in figures:
        lines += ["", "phantoms: images of simple shapes plus noise"]
        for noise, values in figures["phantoms"].items():
            lines += [f"  {noise}"] + [f"  {row}" for row in _rows(values, 30)]
    if "invariances" in figures:
        lines += ["", "invariances: median and largest deviation in octaves"]
        for name, values in figures["invariances"].items():
            row = f"{values['median']:.3f}  {values['largest']:.3f}  ({values['tomograms']})"
            lines.append(f"  {name:30} {row}")
    if "degradations" in figures:
        lines += ["", "degradations: steps in order"]
        for name, values in figures["degradations"].items():
            lines.append(f"  {name:30} {values['in_order']} of {values['pairs']}")
    return "\n".join(lines)


def _comparison(figures: dict[str, Any]) -> list[str]:
    low, high = figures["rank_correlation_90"]
    bands = "  ".join(f"{value:7.3f}" for value in figures["band_correlation"])
    return [
        *_rows(figures, 32),
        f"{'90 % interval of rank correlation':32} {low:g} to {high:g}",
        "",
        f"{'correlation per band':32} " + "  ".join(_band_names()),
        " " * 33 + bands,
    ]


def _rows(figures: dict[str, Any], width: int) -> list[str]:
    return [
        f"{name.replace('_', ' '):{width}} {value:g}"
        for name, value in figures.items()
        if isinstance(value, (int, float))
    ]


def _band_names() -> list[str]:
    return [f"{f'{coarse:.0f}-{fine:.0f}':>7}" for coarse, fine in PERIODS_NM]

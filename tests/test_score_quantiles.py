# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures in the help of the presets agree with measurements with the shipped weights."""

import importlib.util
import types
from pathlib import Path

import pytest

from tomoscore_scipion.model.weights import sha256_of, shipped_weights_path
from tomoscore_scipion.records.simulated_scores import (
    simulated_scores,
    simulated_scores_text,
    write_simulated_scores,
)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def script():
    path = ROOT / "scripts" / "score_quantiles.py"
    spec = importlib.util.spec_from_file_location("score_quantiles_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_shipped_figures_are_of_the_shipped_weights():
    figures, weights = simulated_scores(), shipped_weights_path()
    assert figures["sha256"] == sha256_of(weights)
    assert [path.name for path in weights.parent.iterdir() if path.suffix == ".json"] == [
        weights.stem + ".scores.json"
    ]
    assert f"Of {figures['tomograms']} simulated tomograms" in simulated_scores_text(figures)


def test_without_figures_the_help_has_no_text_about_them(tmp_path):
    assert simulated_scores(tmp_path) is None
    assert simulated_scores_text(None) == ""


def test_the_help_states_the_measured_figures(script, tmp_path):
    figures = script.figures_of([n / 20 for n in range(101)], "cd" * 32)
    assert figures["quantiles"] == {"10": 0.5, "25": 1.25, "50": 2.5, "75": 3.75, "90": 4.5}
    for _ in range(2):
        path = write_simulated_scores(tmp_path / "tomoscore-9.8.7.safetensors", figures)
    assert path.name == "tomoscore-9.8.7.scores.json"
    assert simulated_scores(tmp_path) == figures
    said = simulated_scores_text(figures)
    assert "101 simulated tomograms" in said
    assert "10 % score below 0.5, 25 % below 1.25, half below 2.5" in said


def test_the_script_scores_simulated_tomograms_and_writes(script, tmp_path, monkeypatch):
    """Uses small tomograms and fake scores, since the simulation is slow."""
    from tomoscore_scipion import engine
    from tomoscore_scipion.benchmark import fresh

    scores = iter((1.0, 2.0, 3.0, 4.0))
    scorer = types.SimpleNamespace(
        model={"sha256": "ef" * 32},
        score=lambda stack, size: types.SimpleNamespace(tomoscore=next(scores)),
    )
    case = types.SimpleNamespace(stack=None, voxel_size_angstrom=13.0)
    monkeypatch.setattr(engine, "Scorer", types.SimpleNamespace(load=lambda device: scorer))
    monkeypatch.setattr(fresh, "fresh_tomograms", lambda seeds, n: [case] * (len(seeds) * n))
    weights = tmp_path / "some.safetensors"
    arguments = ["--specimens", "2", "--acquisitions", "2", "--write", "--beside", str(weights)]
    assert script.main(arguments) == 0
    figures = simulated_scores(tmp_path)
    assert (figures["tomograms"], figures["quantiles"]["50"]) == (4, 2.5)
    assert figures["sha256"] == "ef" * 32

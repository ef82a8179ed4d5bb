# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the help of the presets states: measured, with the weights that ship."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from tomoscore_scipion.model.weights import sha256_of, shipped_weights_path

ROOT = Path(__file__).resolve().parents[1]
VERDICT = ROOT / "tomoscore_scipion" / "protocols" / "verdict.py"


def load(path):
    """A module by its path: what lies beside verdict.py needs Scipion."""
    spec = importlib.util.spec_from_file_location(path.stem + "_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script():
    return load(ROOT / "scripts" / "score_quantiles.py")


@pytest.fixture
def verdict_file(tmp_path):
    return Path(shutil.copy(VERDICT, tmp_path / "verdict.py"))


def test_figures_in_the_source_are_those_of_the_shipped_weights_or_none():
    figures = load(VERDICT).SIMULATED_SCORES
    if figures["tomograms"]:
        assert figures["sha256"] == sha256_of(str(shipped_weights_path()))
    else:
        assert figures == {"sha256": None, "tomograms": 0, "quantiles": {}}


def test_without_figures_the_help_claims_nothing(script):
    verdict = load(VERDICT)
    verdict.SIMULATED_SCORES = {"sha256": None, "tomograms": 0, "quantiles": {}}
    assert verdict.simulated_in_words() == ""


def test_measured_figures_are_what_the_help_says(script, verdict_file):
    figures = script.figures_of([n / 20 for n in range(101)], "cd" * 32)
    assert figures["quantiles"] == {10: 0.5, 25: 1.25, 50: 2.5, 75: 3.75, 90: 4.5}
    script.write(verdict_file, figures)
    script.write(verdict_file, figures)
    verdict = load(verdict_file)
    assert figures == verdict.SIMULATED_SCORES
    said = verdict.simulated_in_words()
    assert "101 simulated tomograms" in said
    assert "10 % score below 0.5, 25 % below 1.25, half below 2.5" in said
    assert all(len(line) <= 100 for line in verdict_file.read_text().splitlines())


def test_a_file_without_the_constant_is_refused(script, tmp_path):
    path = tmp_path / "verdict.py"
    path.write_text("SIMULATED_SCORES = None\n")
    with pytest.raises(ValueError, match="expected one SIMULATED_SCORES, found 0"):
        script.write(path, script.figures_of([1.0], "ab" * 32))
    assert path.read_text() == "SIMULATED_SCORES = None\n"


def test_the_script_scores_simulated_tomograms_and_writes(script, verdict_file, monkeypatch):
    """With tomograms and scores of the test's own: simulating takes its time."""
    import types

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
    arguments = ["--specimens", "2", "--acquisitions", "2", "--write", "--file", str(verdict_file)]
    assert script.main(arguments) == 0
    figures = load(verdict_file).SIMULATED_SCORES
    assert (figures["tomograms"], figures["quantiles"][50]) == (4, 2.5)
    assert figures["sha256"] == "ef" * 32

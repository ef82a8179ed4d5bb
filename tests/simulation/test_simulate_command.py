# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore simulate` and the demo: the engine reads their files, and their truths agree."""

import json
import subprocess
import sys

import mrcfile
import numpy as np
import pytest

from tomoscore_scipion.commands import cli
from tomoscore_scipion.commands.arguments.simulate import INGREDIENT_NAMES
from tomoscore_scipion.reading.volume import open_volume
from tomoscore_scipion.records.bands import (
    N_BANDS,
    PERIODS_NM,
    fraction_below_nyquist,
    scale_nm,
    tomoscore,
)
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.simulation import demo
from tomoscore_scipion.simulation import simulated as simulated_module
from tomoscore_scipion.simulation.quality import QUALITIES
from tomoscore_scipion.simulation.simulated import Request, simulate, write
from tomoscore_scipion.simulation.specimen import INGREDIENTS
from tomoscore_scipion.simulation.summary import truth_summary

SMALL = ["--field-nm", "192", "--thickness-nm", "40", "50"]


def run(folder, *arguments):
    return cli.main(["simulate", str(folder), *SMALL, *arguments])


def truth_of(folder, seed=0):
    return json.loads((folder / f"sim_{seed}.json").read_text(encoding="utf-8"))


def score_of(curve, voxel_size_angstrom):
    values = [np.nan if r is None else r for r in curve["resolvability"]]
    return float(tomoscore(np.array(values), fraction_below_nyquist(voxel_size_angstrom / 10)))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "new" / "folder"
    status = run(folder, "--number", "2", "--seed", "5", "--voxel-size", "20", "--quality", "good")
    return status, folder


def test_tomograms_and_truths_are_written_for_every_seed(simulated):
    status, folder = simulated
    assert status == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "sim_5.json",
        "sim_5.mrc",
        "sim_6.json",
        "sim_6.mrc",
    ]


def test_the_engine_opens_simulated_tomograms(simulated):
    folder = simulated[1]
    for seed in (5, 6):
        truth = truth_of(folder, seed)
        with open_volume(str(folder / f"sim_{seed}.mrc")) as volume:
            assert volume.warnings == ()
            assert volume.voxel_size_angstrom == pytest.approx(20.0)
            assert list(volume.shape_zyx) == truth["shape_zyx"]
            assert volume.shape_zyx[1:] == (96, 96)
            assert volume.read_slice(0).std() > 0


def test_the_true_score_is_that_of_the_true_curve(simulated):
    truth = truth_of(simulated[1], 5)
    assert truth["tomoscore"] == pytest.approx(score_of(truth["curve"], 20.0), abs=1e-4)
    assert 0 < truth["content"] <= 1
    assert truth["scale_nm"] == pytest.approx(scale_nm(truth["tomoscore"]), abs=1e-3)
    assert truth["curve"]["period_nm"] == [list(edges) for edges in PERIODS_NM]
    assert truth["curve"]["resolvability"][5] is None  # 4 to 3 nm is beyond Nyquist
    assert truth["tomoscore"] > 1


def test_the_truth_describes_specimen_and_recipe(simulated):
    truth = truth_of(simulated[1], 6)
    assert (truth["schema"], truth["seed"], truth["voxel_size_angstrom"]) == (1, 6, 20.0)
    assert isinstance(truth["generator_version"], int)
    assert truth["contents"]
    assert set(truth["contents"]) <= set(INGREDIENTS)
    assert truth["recipe"]["voxel_nm"] == 2.0
    assert truth["recipe"]["misalignment_nm"] == QUALITIES["good"].misalignment_nm
    assert 40 <= truth["thickness_nm"] <= 50
    first, last = truth["slab_z"]
    assert 0 <= first < last < truth["shape_zyx"][0]
    assert [entry["z"] for entry in truth["slices"]] == list(range(first, last + 1))
    mean = np.mean([entry["tomoscore"] for entry in truth["slices"]])
    assert mean == pytest.approx(truth["tomoscore"], abs=0.6)


def test_the_request_and_the_seed_reproduce_the_tomogram(simulated):
    truth = truth_of(simulated[1], 5)
    stack, again = simulate(5, Request(**truth["request"]))
    assert json.loads(json.dumps(again)) == truth
    with open_volume(str(simulated[1] / "sim_5.mrc")) as volume:
        np.testing.assert_array_equal(volume.read_slice(3), stack[3])


def test_another_seed_gives_another_tomogram(simulated):
    assert truth_of(simulated[1], 5)["curve"] != truth_of(simulated[1], 6)["curve"]


@pytest.mark.parametrize(("kind", "mode"), [("int8", 0), ("int16", 1), ("float32", 2)])
def test_files_have_the_data_type_of_the_recipe(tmp_path, kind, mode):
    assert run(tmp_path, "--fix", f"quantisation={kind}", "border_nm=50", "voxel_nm=4") == 0
    with mrcfile.open(tmp_path / "sim_0.mrc") as mrc:
        assert mrc.header.mode == mode
        assert mrcfile.validate(tmp_path / "sim_0.mrc")


def test_parameters_can_be_fixed_and_ingredients_left_out(tmp_path):
    left_out = ["membranes", "ribosomes", "contamination"]
    fix = ["--fix", "total_dose=33", "energy_filter=false", "--fix", "sirt_iterations=5"]
    assert run(tmp_path, "--without", *left_out, *fix, "--fix", "filter=sirt_like") == 0
    truth = truth_of(tmp_path)
    assert not set(truth["contents"]) & set(left_out)
    recipe = truth["recipe"]
    assert (recipe["total_dose"], recipe["energy_filter"]) == (33.0, False)
    assert (recipe["sirt_iterations"], recipe["filter"]) == (5, "sirt_like")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--field-nm", "200"], "multiple of 48"),
        (["--field-nm", "96"], "192"),
        (["--voxel-size", "10"], "15 to 60"),
        (["--voxel-size", "20", "--fix", "voxel_nm=2"], "give one"),
        (["--thickness-nm", "90", "50"], "thickness"),
        (["--quality", "superb"], "superb"),
        (["--number", "0"], "0"),
        (["--seed", "-1"], "-1"),
        (["--fix", "dosage=5"], "dosage"),
        (["--fix", "total_dose"], "NAME=VALUE"),
        (["--fix", "total_dose=much"], "number"),
        (["--fix", "total_dose=nan"], "number"),
        (["--fix", "total_dose=-3"], "total_dose"),
        (["--fix", "sirt_iterations=2.5"], "whole number"),
        (["--fix", "damage=maybe"], "true or false"),
        (["--fix", "post=magic"], "magic"),
        (["--without", "unicorns"], "unicorns"),
        (["--without", *INGREDIENTS], "at least one ingredient"),
    ],
)
def test_wrong_usage_exits_2_with_the_reason(tmp_path, capsys, arguments, reason):
    assert cli.main(["simulate", str(tmp_path / "out"), *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_exits_1(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file" / "out") == 1
    assert str(tmp_path / "file" / "out") in capsys.readouterr().err


def test_files_are_replaced_completely_or_not_at_all(tmp_path):
    stack, truth = simulate(0, Request(field_nm=192.0, thickness_nm=(40.0, 40.0)))
    (tmp_path / "sim.json").mkdir()  # cannot be replaced by a file
    with pytest.raises(StartError, match=r"cannot write .*sim\.json"):
        write(tmp_path / "sim", stack, truth)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sim.json", "sim.mrc"]
    (tmp_path / "sim.json").rmdir()
    write(tmp_path / "sim", stack[:-1], truth)
    with mrcfile.open(tmp_path / "sim.mrc") as mrc:
        assert len(mrc.data) == len(stack) - 1
    assert json.loads((tmp_path / "sim.json").read_text()) == json.loads(json.dumps(truth))


def test_help_names_the_ingredients_and_imports_no_torch():
    assert (*INGREDIENTS, "contamination") == INGREDIENT_NAMES
    code = (
        "import sys; from tomoscore_scipion.commands.cli import main; "
        "status = main(['simulate', '--help']); print(status, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    text = done.stdout.decode()
    assert text.splitlines()[-1] == "0 False"
    for name in ("granules", "total_dose", "quantisation", "--thickness-nm"):
        assert name in text


def test_named_qualities_are_ordered_for_any_seed():
    for seed in (1, 2):
        scores = [
            simulate(seed, Request(quality=quality, field_nm=192.0, thickness_nm=(60.0, 70.0)))[1]
            for quality in QUALITIES
        ]
        good, medium, poor = (truth["tomoscore"] for truth in scores)
        assert good > medium + 0.7 > poor + 1.2


def test_a_specimen_without_matter_is_an_error(monkeypatch):
    monkeypatch.setattr(simulated_module, "FILLED_VARIANCE", 9.0)
    request = Request(quality="good", field_nm=192.0, thickness_nm=(40.0, 40.0))
    with pytest.raises(StartError, match="leave out fewer"):
        simulate(0, request)


@pytest.mark.slow
def test_the_demo_writes_three_tomograms_whose_truths_are_ordered(tmp_path, capsys):
    assert demo.main([str(tmp_path / "demo")]) == 0
    scores = {}
    for quality in ("good", "medium", "poor"):
        truth = json.loads((tmp_path / "demo" / f"{quality}.json").read_text())
        scores[quality] = truth["tomoscore"]
        with open_volume(str(tmp_path / "demo" / f"{quality}.mrc")) as volume:
            assert volume.warnings == ()
    assert 3 <= scores["good"] <= 4
    assert 1.5 <= scores["medium"] <= 2.5
    assert scores["poor"] < 1
    assert capsys.readouterr().out.count("true TomoScore") == 3


def test_the_demo_reports_that_it_cannot_write(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert demo.main([str(tmp_path / "file" / "demo")]) == 1
    assert "cannot make the folder" in capsys.readouterr().err


def summary_of(curves, slab_z, voxel, content=1.0):
    return truth_summary(curves, np.full(curves.shape, content), slab_z, voxel)


def test_curves_are_averaged_signed_over_the_slab_and_clipped_last():
    curves = np.zeros((6, 2, 2, N_BANDS))
    curves[2:4, 0, :, 0], curves[2:4, 1, :, 0] = 0.9, -0.3
    curves[2, :, :, 1], curves[3, :, :, 1] = -0.4, 0.2
    curves[[0, 1, 4, 5]] = 1.0  # outside the slab
    summary = summary_of(curves, (2, 3), 15.0)
    assert summary["curve"]["resolvability"] == pytest.approx([0.3 / 1.01, 0, 0, 0, 0, 0], abs=1e-4)
    assert summary["tomoscore"] == pytest.approx((0.3 / 1.01 - 0.15) / 0.45, abs=1e-3)
    assert summary["content"] == 1
    assert [entry["z"] for entry in summary["slices"]] == [2, 3]
    second = (0.3 / 1.01 - 0.15) / 0.45 + (0.2 / 1.01 - 0.15) / 0.45
    assert summary["slices"][1]["tomoscore"] == pytest.approx(second, abs=1e-3)


def test_tiles_count_by_their_content():
    curves, content = np.zeros((2, 3, 3, 3, N_BANDS))
    curves[:, 1, 1], content[:, 1, 1] = 0.6, 0.9
    summary = truth_summary(curves, content, (0, 2), 15.0)
    expected = 0.9 * 0.6 / (0.9 + 0.01 * 9)
    assert summary["curve"]["resolvability"] == pytest.approx([expected] * 6, abs=1e-4)
    assert summary["content"] == pytest.approx(1 / 9, abs=1e-4)


def test_bands_beyond_nyquist_are_null_and_cut_bands_count_by_their_share():
    summary = summary_of(np.ones((3, 1, 1, N_BANDS)), (0, 2), 30.0)
    assert summary["curve"]["resolvability"][:5] == pytest.approx([1 / 1.01] * 5, abs=1e-4)
    assert summary["curve"]["resolvability"][5] is None
    assert summary["tomoscore"] == pytest.approx(4 + np.log2(8 / 6), abs=1e-4)


@pytest.mark.parametrize(("curve", "content"), [(0.0, 1.0), (1.0, 0.0)])
def test_no_resolvability_and_no_content_have_no_scale(curve, content):
    summary = summary_of(np.full((3, 1, 1, N_BANDS), curve), (0, 2), 15.0, content)
    assert (summary["tomoscore"], summary["scale_nm"]) == (0.0, None)
    assert summary["slices"][0] == {"z": 0, "tomoscore": 0.0, "scale_nm": None}


@pytest.mark.parametrize("slab", [(2, 3), (-1, 1), (2, 1)])
def test_a_slab_outside_the_tomogram_is_refused(slab):
    with pytest.raises(ValueError, match="expected curves"):
        summary_of(np.zeros((3, 1, 1, N_BANDS)), slab, 15.0)


def test_contents_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="expected curves"):
        truth_summary(np.zeros((3, 2, 2, N_BANDS)), np.zeros((3, 1, 1, N_BANDS)), (0, 2), 15.0)

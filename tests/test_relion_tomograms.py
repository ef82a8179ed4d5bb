# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION 5's tomograms.star: the scored tomograms, and the table of accepted tomograms."""

import os
import re

import numpy as np
import pytest
import relion_files
import scoring_fakes
import starfile

from tomoscore_scipion.commands import score
from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.pipelines.relion_tomograms import FILES, read_tomograms
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.running import supervisor

NAMES = ("TS_01", "TS_02", "TS_03")


def save_score(path):
    """Write a tomogram; its fake score is the number in its name."""
    with open(path, "wb") as file:
        np.save(file, np.full((2, 2), float(re.search(r"TS_0(\d)", path.name).group(1))))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in the current folder, with tomograms of the scores 1, 2, 3."""
    monkeypatch.setattr(supervisor, "command", scoring_fakes.command)
    relion_files.write_project(tmp_path, NAMES, save_score)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(text):
    """{name of a tomogram: {label: value}}, split at blanks as RELION does."""
    labels = re.findall(r"^_(\S+) #\d+", text, re.MULTILINE)
    rows = [line.split() for line in text.splitlines() if line.startswith("TS_")]
    return {row[0]: dict(zip(labels, row)) for row in rows}


def test_names_paths_and_voxel_sizes_are_read_from_the_star_file(project):
    found = read_tomograms(relion_files.STAR).tomograms
    assert [tomogram.ts_id for tomogram in found] == list(NAMES)
    assert [tomogram.path for tomogram in found] == [
        f"Tomograms/job007/tomograms/rec_{name}.mrc" for name in NAMES
    ]
    assert {tomogram.voxel_size_angstrom for tomogram in found} == {13.5}


@pytest.mark.parametrize("folder", ["Tomograms/job007", "elsewhere"])
def test_paths_are_relative_to_the_project_in_any_current_folder(project, monkeypatch, folder):
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / folder)
    star = os.path.relpath(project / relion_files.STAR)
    relative = [tomogram.path for tomogram in read_tomograms(star).tomograms]
    absolute = [t.path for t in read_tomograms(str(project / relion_files.STAR)).tomograms]
    assert all(os.path.exists(path) for path in relative + absolute)
    assert not any(map(os.path.isabs, relative)) and all(map(os.path.isabs, absolute))


def test_a_project_with_missing_tomograms_is_recognised_by_relions_files(project, monkeypatch):
    for name in NAMES:
        (project / f"Tomograms/job007/tomograms/rec_{name}.mrc").unlink()
    (project / "default_pipeline.star").touch()
    monkeypatch.chdir("/")
    found = read_tomograms(str(project / relion_files.STAR)).tomograms
    assert found[0].path == str(project / "Tomograms/job007/tomograms/rec_TS_01.mrc")


def test_a_given_voxel_size_is_used_and_a_missing_one_is_left_to_the_header(project):
    given = read_tomograms(relion_files.STAR, voxel_size_angstrom=7.5).tomograms
    assert {tomogram.voxel_size_angstrom for tomogram in given} == {7.5}
    text = relion_files.star_text(NAMES, rlnTomoTomogramBinning=None)
    (project / "old.star").write_text(text)
    assert {t.voxel_size_angstrom for t in read_tomograms("old.star").tomograms} == {None}


@pytest.mark.parametrize("which", sorted(FILES))
def test_each_kind_of_tomogram_can_be_chosen(project, which):
    columns = {label: f"{kind}/{{name}}.mrc" for kind, label in FILES.items()}
    (project / "all.star").write_text(relion_files.star_text(NAMES, **columns))
    found = read_tomograms("all.star", which).tomograms
    assert [t.path for t in found] == [f"{which}/{name}.mrc" for name in NAMES]


HALVES = {
    FILES[kind]: f"Tomograms/job007/tomograms/rec_{{name}}_{kind}.mrc"
    for kind in ("half1", "half2")
}


def test_halves_named_in_the_star_file_are_used(project):
    path = project / relion_files.STAR
    path.write_text(relion_files.star_text(NAMES, **HALVES))
    found = read_tomograms(relion_files.STAR).tomograms
    assert found[0].halves == tuple(
        f"Tomograms/job007/tomograms/rec_TS_01_{kind}.mrc" for kind in ("half1", "half2")
    )
    (project / found[0].half1).touch()
    assert {t.halves for t in read_tomograms(relion_files.STAR, "half1").tomograms} == {None}


def test_the_option_no_halves_ignores_halves_in_the_star_file(project, monkeypatch):
    scored, run_items = [], score.run_items

    def watched(supervisor, tomograms, *others):
        scored.append({tomogram.halves is None for tomogram in tomograms})
        return run_items(supervisor, tomograms, *others)

    monkeypatch.setattr(score, "run_items", watched)
    (project / relion_files.STAR).write_text(relion_files.star_text(NAMES, **HALVES))
    for options in ([], ["--no-halves"]):
        assert main(["score", relion_files.STAR, "--output", "r.jsonl", *options]) == 0
    assert scored == [{False}, {True}]


def test_a_row_with_only_one_half_is_scored_without_it_and_reported(project, capsys):
    (project / relion_files.STAR).write_text(
        relion_files.star_text(NAMES, **{**HALVES, FILES["half2"]: "n/a"})
    )
    assert main(["score", relion_files.STAR, "--output", "r.jsonl"]) == 0
    assert "3 tomograms name one half only" in capsys.readouterr().err
    assert [record.halves for record in read_records("r.jsonl")] == [None] * 3


def test_tomograms_without_a_file_of_the_kind_are_left_out_and_reported(project, capsys):
    label = FILES["denoised"]
    text = relion_files.star_text(NAMES, **{label: "Tomograms/job007/tomograms/rec_{name}.mrc"})
    text = re.sub(r"(TS_02 .*) \S+ \n", r"\1 N/A \n", text)
    (project / "some.star").write_text(text)
    command = ["score", "some.star", "--which", "denoised", "--output", "r.jsonl"]
    assert main(command) == 0
    assert [record.ts_id for record in read_records("r.jsonl")] == ["TS_01", "TS_03"]
    assert f"1 tomograms have no file in {label} and are left out: TS_02" in capsys.readouterr().err


def test_accepted_rows_keep_every_value_and_get_the_score(project, capsys):
    before = (project / relion_files.STAR).read_text()
    command = ["score", relion_files.STAR, "--output-star", "accepted.star", "--threshold", "2"]
    assert main([*command, "--output", "r.jsonl"]) == 0
    assert "accepted.star: 2 of 3 tomograms, TomoScore >= 2" in capsys.readouterr().err
    text = (project / "accepted.star").read_text()
    assert re.search(r"^# version 50001$", text, re.MULTILINE)
    old, new = words_of(before), words_of(text)
    assert list(new) == ["TS_02", "TS_03"]
    for record in read_records("r.jsonl")[1:]:
        low, high = record.tomoscore_interval
        values = (record.tomoscore, low, high)
        added = {
            label: f"{value:.4f}"
            for label, value in zip(("tomoScore", "tomoScoreLow", "tomoScoreHigh"), values)
        }
        assert new[record.ts_id] == {**old[record.ts_id], **added}
    assert (project / relion_files.STAR).read_text() == before


def test_the_accepted_table_is_read_by_starfile_and_scored_again(project):
    command = ["score", "--output-star", "accepted.star", "--threshold", "2", "--quiet"]
    assert main([*command, "--output", "r.jsonl", relion_files.STAR]) == 0
    blocks = starfile.read("accepted.star", always_dict=True)
    assert list(blocks) == ["global"]
    assert list(blocks["global"]["tomoScore"]) == [2.0, 3.0]
    again = ["score", "accepted.star", "--output-star", "twice.star", "--threshold", "3"]
    assert main(again) == 0
    rows = words_of((project / "twice.star").read_text())
    assert list(rows) == ["TS_03"]
    assert list(rows["TS_03"]).count("tomoScore") == 1


def test_further_blocks_and_names_with_blanks_are_copied(project):
    text = relion_files.star_text(NAMES, rlnOpticsGroupName='"my optics"')
    (project / "two.star").write_text(f"data_general\n\n_rlnTomoSubTomosAre2DStacks 1\n\n{text}")
    assert main(["score", "two.star", "--output-star", "accepted.star", "--threshold", "3"]) == 0
    blocks = starfile.read("accepted.star", always_dict=True)
    assert blocks["general"] == {"rlnTomoSubTomosAre2DStacks": 1}
    assert list(blocks["global"]["rlnOpticsGroupName"]) == ["my optics"]


def test_without_accepted_tomograms_the_table_has_no_rows(project):
    (project / "accepted.star").write_text("of an earlier run")
    command = ["score", relion_files.STAR, "--output-star", "accepted.star", "--threshold", "3"]
    assert main(command) == 0
    (project / "Tomograms/job007/tomograms/rec_TS_03.mrc").unlink()
    assert main(command) == 3
    blocks = starfile.read("accepted.star", always_dict=True)
    assert len(blocks["global"]) == 0
    assert "rlnTomoName" in blocks["global"]


def test_after_a_stop_no_table_is_written(project, capsys):
    tomograms = project / "Tomograms/job007/tomograms"
    os.rename(tomograms / "rec_TS_02.mrc", tomograms / "interrupt.npy")
    text = (project / relion_files.STAR).read_text().replace("rec_TS_02.mrc", "interrupt.npy")
    (project / relion_files.STAR).write_text(text)
    assert main(["score", relion_files.STAR, "--output-star", "accepted.star"]) == 130
    assert not (project / "accepted.star").exists()
    assert "accepted.star: not written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rlnTomoName": None}, "a table that has rlnTomoName and rlnTomoReconstructedTomogram"),
        ({"rlnTomoReconstructedTomogram": None}, "expected rlnTomoReconstructedTomogram; the file"),
        (
            {
                "rlnTomoReconstructedTomogram": None,
                "rlnTomoReconstructedTomogramHalf1": "a.mrc",
                "rlnTomoReconstructedTomogramHalf2": "b.mrc",
            },
            "another kind: choose it, --which half1 or half2",
        ),
        ({"rlnTomoReconstructedTomogram": "None"}, "found none in any row"),
        ({"rlnTomoName": "TS_01"}, "the same ts_id twice: 'TS_01'"),
        ({"rlnTomoTomogramBinning": "0"}, "row 1: expected a number > 0 in rlnTomoTomogramBinning"),
        ({"rlnTomoTiltSeriesPixelSize": "nan"}, "row 1: expected a number > 0 in .*got 'nan'"),
    ],
)
def test_an_unusable_star_file_is_refused_with_the_reason(tmp_path, changed, says):
    path = tmp_path / "tomograms.star"
    path.write_text(relion_files.star_text(NAMES, **changed))
    with pytest.raises(StartError, match=says) as caught:
        read_tomograms(str(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("old, new", [(" 10.000000 ", " 1\n"), ("TS_02 ", "TS#02 ")])
def test_a_row_with_too_few_words_is_refused(tmp_path, old, new):
    path = tmp_path / "tomograms.star"
    text = relion_files.star_text(NAMES)
    at = text.rindex(old)
    path.write_text(text[:at] + new if "\n" in new else text.replace(old, new))
    with pytest.raises(TomogramError, match="tomograms.star: line .* each of 7 columns, found"):
        read_tomograms(str(path))


def test_a_table_without_rows_is_reported(tmp_path):
    path = tmp_path / "accepted.star"
    path.write_text(relion_files.star_text([], rlnTomoReconstructedTomogramDenoised="den.mrc"))
    with pytest.raises(StartError, match="accepted.star: expected tomograms, found none"):
        read_tomograms(str(path))


@pytest.mark.parametrize("text", [None, "", "data_global\n\nloop_\n_rlnTomoName #1\na b c\nd\n"])
def test_a_file_that_is_not_a_star_file_is_refused(tmp_path, text):
    path = tmp_path / "tomograms.star"
    if text is not None:
        path.write_text(text)
    with pytest.raises((StartError, TomogramError), match="tomograms.star: expected"):
        read_tomograms(str(path))


def test_a_tomogram_name_that_starts_with_data_is_refused(tmp_path):
    path = tmp_path / "tomograms.star"
    path.write_text(relion_files.star_text(["data_1"]))
    with pytest.raises(TomogramError, match="no row that begins with data_"):
        read_tomograms(str(path))


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["a.mrc", "--output-star", "b.star"], 1, "needs a star file of RELION"),
        (["a.mrc", "--which", "half1"], 1, "--which half1 chooses among"),
        ([relion_files.STAR, "a.mrc"], 1, "is scored alone, got 2 paths"),
        ([relion_files.STAR, "--which", "deconvolved"], 1, "RELION knows no deconvolved"),
        ([relion_files.STAR, "--output-star", relion_files.STAR], 1, "is an input"),
        ([relion_files.STAR, "--csv", relion_files.STAR], 1, "is an input"),
        ([relion_files.STAR, "--output-star", "none/b.star"], 1, "none does not exist"),
        ([relion_files.STAR, "--threshold", "2"], 2, "--threshold needs --output-star"),
        ([relion_files.STAR, "--no-halves", "--tilt-range", "-60", "60"], 2, "--no-halves does"),
        ([relion_files.STAR, "--output-star", "b", "--threshold", "6"], 2, "octaves from 0 to 5"),
        (
            [relion_files.STAR, "--output-star", "b", "--csv", "b"],
            2,
            "--csv and --output-star name",
        ),
        (
            ["--job", "j", "--output", "r", "--output-star", "b"],
            2,
            "--output-star does not go with",
        ),
    ],
)
def test_invalid_arguments_give_the_reason_and_write_no_file(
    project, capsys, arguments, status, says
):
    before = sorted(project.rglob("*"))
    assert main(["score", *arguments]) == status
    assert says in capsys.readouterr().err
    assert sorted(project.rglob("*")) == before

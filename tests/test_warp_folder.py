# SPDX-License-Identifier: GPL-3.0-or-later
"""A processing folder of WarpTools: scored tomograms, and the list of accepted tilt series."""

import os
import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import scoring_fakes

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.pipelines.warp_folder import read_warp_folder, tomostar_files
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.record_files import read_records
from tomoscore_scipion.running import supervisor

W = "warp_tiltseries"
XML = (
    '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<TiltSeries DataDirectory="{data}" '
    'UnselectFilter="False" UnselectManual="{manual}" CTFResolutionEstimate="6.3"></TiltSeries>'
)


def save_score(path, value):
    with open(path, "wb") as file:
        np.save(file, np.full((2, 2), value))


@pytest.fixture
def session(tmp_path, monkeypatch):
    """The current folder, with the layout of WarpTools and tomograms of the fake scores 1, 2, 3."""
    monkeypatch.setattr(supervisor, "command", scoring_fakes.command)
    for folder in ("reconstruction/odd", "reconstruction/even", "logs"):
        (tmp_path / W / folder).mkdir(parents=True)
    (tmp_path / "tomostar").mkdir()
    for number in (1, 2, 3):
        name = f"TS_0{number}"
        write_xml(tmp_path / W / f"{name}.xml", str(tmp_path / "tomostar"))
        (tmp_path / "tomostar" / f"{name}.tomostar").touch()
        for folder in ("", "odd", "even"):
            file = tmp_path / W / "reconstruction" / folder / f"{name}_10.00Apx.mrc"
            save_score(file, float(number))
            file.with_suffix(".png").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_xml(path, data="", manual=""):
    path.write_text(XML.format(data=data, manual=manual), encoding="utf-8")


def write_mrc(path, voxel_angstrom):
    with mrcfile.new(path, np.zeros((4, 8, 8), np.float32)) as mrc:
        mrc.voxel_size = voxel_angstrom
        mrc.header.ispg = 1


def test_tomograms_are_named_as_their_tilt_series_and_have_their_pixel_size(session):
    found = read_warp_folder(W)
    assert [tomogram.ts_id for tomogram in found.tomograms] == ["TS_01", "TS_02", "TS_03"]
    assert found.tomograms[0].path == f"{W}/reconstruction/TS_01_10.00Apx.mrc"
    assert {tomogram.voxel_size_angstrom for tomogram in found.tomograms} == {10.0}
    assert found.n_halves == 3
    assert found.tomograms[0].halves == tuple(
        f"{W}/reconstruction/{folder}/TS_01_10.00Apx.mrc" for folder in ("odd", "even")
    )


def test_halves_are_used_if_one_exists_and_not_for_other_kinds(session):
    (session / W / "reconstruction" / "odd" / "TS_02_10.00Apx.mrc").unlink()
    for folder in ("odd", "even"):
        (session / W / "reconstruction" / folder / "TS_03_10.00Apx.mrc").unlink()
    found = read_warp_folder(W)
    assert [tomogram.halves is None for tomogram in found.tomograms] == [False, False, True]
    assert found.n_halves == 1
    assert {tomogram.halves for tomogram in read_warp_folder(W, "half2").tomograms} == {None}


@pytest.mark.parametrize(
    ("name", "in_header", "given"),
    [
        ("TS_01_10.00Apx.mrc", 10.0, None),
        ("TS_01_7.64Apx.mrc", 7.636, None),
        ("TS_01_7,64Apx.mrc", 7.636, None),
        ("TS_01_10.00Apx.mrc", 1.0, 10.0),
        ("TS_01_10.00Apx.mrc", 0.0, 10.0),
    ],
)
def test_the_header_gives_the_voxel_size_unless_the_name_contradicts_it(
    tmp_path, name, in_header, given
):
    (tmp_path / "reconstruction").mkdir()
    write_mrc(tmp_path / "reconstruction" / name, in_header)
    (tomogram,) = read_warp_folder(str(tmp_path)).tomograms
    assert tomogram.voxel_size_angstrom == given
    (tomogram,) = read_warp_folder(str(tmp_path), voxel_size_angstrom=12.5).tomograms
    assert tomogram.voxel_size_angstrom == 12.5


def test_a_session_is_scored_in_one_command_and_accepted_series_are_listed(session, capsys):
    before = {path: path.read_bytes() for path in session.rglob("*") if path.is_file()}
    command = ["score", W, "--output", "r.jsonl", "--output-list", "accepted.txt"]
    assert main([*command, "--threshold", "2"]) == 0
    err = capsys.readouterr().err
    assert f"{W}: 3 tomograms, 3 of them with halves" in err
    assert "accepted.txt: 2 of 3 tomograms, TomoScore >= 2" in err
    assert [record.ts_id for record in read_records("r.jsonl")] == ["TS_01", "TS_02", "TS_03"]
    listed = Path("accepted.txt").read_text().splitlines()
    assert listed == [str(session / "tomostar" / f"TS_0{n}.tomostar") for n in (2, 3)]
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("which", "folder"),
    [("half1", "odd"), ("half2", "even"), ("deconvolved", "deconv"), ("denoised", "denoised")],
)
def test_other_kinds_of_tomograms_can_be_chosen(session, which, folder):
    place = session / W / "reconstruction" / folder
    place.mkdir(exist_ok=True)
    save_score(place / "TS_01_10.00Apx.mrc", 4.0)
    found = read_warp_folder(W, which).tomograms[0]
    assert (found.ts_id, found.path) == (
        "TS_01",
        f"{W}/reconstruction/{folder}/TS_01_10.00Apx.mrc",
    )


def test_series_that_are_deselected_in_warp_are_scored_and_not_listed(session, capsys):
    write_xml(session / W / "TS_03.xml", str(session / "tomostar"), manual="True")
    command = ["score", W, "--output", "r.jsonl", "--output-list", "accepted.txt"]
    assert main([*command, "--threshold", "2"]) == 0
    assert "1 tilt series are deselected in Warp" in capsys.readouterr().err
    assert len(read_records("r.jsonl")) == 3
    assert re.findall(r"TS_\d+", Path("accepted.txt").read_text()) == ["TS_02"]


def test_tilt_series_of_several_pixel_sizes_get_different_ids_and_cannot_be_listed(session, capsys):
    save_score(session / W / "reconstruction" / "TS_01_20.00Apx.mrc", 1.5)
    ids = [tomogram.ts_id for tomogram in read_warp_folder(W).tomograms]
    assert ids == ["TS_01_10.00Apx", "TS_01_20.00Apx", "TS_02", "TS_03"]
    assert main(["score", W, "--output-list", "accepted.txt"]) == 1
    assert "several pixel sizes of TS_01" in capsys.readouterr().err
    assert not os.path.exists("accepted.txt")


def test_tomostar_files_are_found_in_the_data_directory_or_beside_the_folder(session):
    elsewhere = session / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "TS_01.tomostar").touch()
    write_xml(session / W / "TS_01.xml", str(elsewhere))
    write_xml(session / W / "TS_02.xml", "/not/on/this/machine")
    (session / W / "TS_03.xml").unlink()
    found = tomostar_files(read_warp_folder(W))
    assert found["TS_01"] == str(elsewhere / "TS_01.tomostar")
    assert found["TS_02"] == str(session / "tomostar" / "TS_02.tomostar")
    assert found["TS_03"] == str(session / "tomostar" / "TS_03.tomostar")


def test_missing_tomostar_files_are_an_error_before_scoring(session, capsys):
    os.rename("tomostar", "../other")
    assert main(["score", W, "--output-list", "accepted.txt", "--output", "r.jsonl"]) == 1
    assert "--tomostar DIR" in capsys.readouterr().err
    assert not os.path.exists("r.jsonl")
    command = ["score", W, "--output-list", "accepted.txt", "--tomostar", "../other"]
    assert main([*command, "--threshold", "3"]) == 0
    assert Path("accepted.txt").read_text() == f"{session.parent}/other/TS_03.tomostar\n"


def test_the_message_about_a_folder_without_tomograms_lists_its_content(session):
    for file in (session / W / "reconstruction").glob("*.mrc"):
        file.unlink()
    with pytest.raises(StartError, match="found none; there are others: --which half1 or half2"):
        read_warp_folder(W)


def test_an_xml_file_with_a_document_type_is_refused(session):
    (session / W / "TS_02.xml").write_text("<!DOCTYPE a []><TiltSeries/>")
    with pytest.raises(TomogramError, match="TS_02.xml: it has a document type"):
        read_warp_folder(W)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([W, "--output-star", "b.star"], 1, "needs a star file of RELION"),
        (["tomostar", "--output-list", "b.txt"], 1, "needs a processing folder of Warp"),
        ([W, "a.mrc"], 1, "is scored alone"),
        ([W, "--csv", f"{W}/TS_01.xml"], 1, "is an input"),
        ([W, "--output-list", "b.lst"], 2, "needs a name that ends with .txt"),
        ([W, "--tomostar", "tomostar"], 2, "--tomostar needs --output-list"),
    ],
)
def test_invalid_arguments_give_the_reason_and_write_no_file(
    session, capsys, arguments, status, says
):
    before = sorted(session.rglob("*"))
    assert main(["score", *arguments]) == status
    assert says in capsys.readouterr().err
    assert sorted(session.rglob("*")) == before

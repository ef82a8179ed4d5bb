# SPDX-License-Identifier: GPL-3.0-or-later
"""Tomograms of one tilt series are matched although programs name them differently."""

import pytest
from scoring_fakes import make_score

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.comparison.ids import Cut, common_names, remark_on
from tomoscore_scipion.comparison.sets import joined, remarks_on
from tomoscore_scipion.records.record_files import json_line

SERIES = [f"TS_{number:02d}" for number in range(1, 13)]


def named(pattern, series=SERIES):
    return [pattern.format(name) for name in series]


@pytest.mark.parametrize(
    "patterns",
    [
        ("{}_10.00Apx", "{}_Vol"),
        ("{}_full", "{}_rec"),
        ("{}", "{}_denoised"),
        ("{}_10.00Apx", "{}_Vol", "{}_full", "{}_rec", "{}_denoised"),
        ("{}_10.00Apx", "{}_10.00Apx_denoised"),
        ("{}.st_Vol", "{}-rec"),
        ("{}rec", "{}"),
        ("denoised_{}", "{}"),
        ("denoised_{}_10.00Apx", "{}_Vol"),
    ],
)
@pytest.mark.parametrize("series", [SERIES, [f"Position_{n}" for n in range(1, 15)], ["a1", "a2"]])
def test_prefixes_and_suffixes_common_to_a_set_are_removed(patterns, series):
    sets = {pattern: named(pattern, series) for pattern in patterns}
    cuts = common_names(sets)
    keys = [[cuts[name].of(ts_id) for ts_id in ids] for name, ids in sets.items()]
    assert all(found == keys[0] for found in keys)
    assert all(len(set(found)) == len(series) for found in keys)


def test_equal_names_keep_all_their_parts():
    sets = {"A": named("{}_rec"), "B": named("{}_rec")}
    assert set(common_names(sets).values()) == {Cut()}
    assert remark_on(common_names(sets)) == []


def test_a_single_name_is_matched_to_its_tilt_series():
    cuts = common_names({"A": ["TS_03_10.00Apx"], "B": named("{}_Vol")})
    assert (cuts["A"].end, cuts["B"].end) == ("_10.00Apx", "_Vol")


@pytest.mark.parametrize("other", ["TS_03_Vol", "TS_03_10.00Apx", "TS_03_rec"])
def test_sets_of_a_single_name_are_matched(other):
    cuts = common_names({"A": ["TS_03"], "B": [other]})
    assert cuts["B"].of(other) == cuts["A"].of("TS_03") == "TS_03"


@pytest.mark.parametrize(
    "sets",
    [
        {"A": named("one_{}"), "B": named("two_{}")},
        {"A": ["TS_1", "TS_2"], "B": ["Position_1", "Position_2"]},
        {"A": ["grid1_01", "grid1_02"], "B": ["grid2_01", "grid2_02"]},
        {"A": ["TS_1", "TS_2"], "B": []},
    ],
)
def test_names_that_differ_at_their_beginning_are_never_matched(sets):
    assert set(common_names(sets).values()) == {Cut()}


@pytest.mark.parametrize(
    "sets",
    [
        {"A": ["TS_01"], "B": ["TS_02_Vol"]},
        {"A": ["TS_01_Vol"], "B": ["TS_02_rec"]},
        {"A": ["TS_01_10.00Apx"], "B": ["TS_02_10.00Apx"], "C": ["TS_03"]},
        {"A": ["TS_1"], "B": ["TS_1_2"]},
        {"A": ["TS_1_rec"], "B": ["TS_1_2_rec"]},
        {"A": ["TS_1"], "B": ["TS_1-2.rec"]},
    ],
)
def test_single_names_that_differ_by_their_number_are_not_matched(sets):
    assert set(common_names(sets).values()) == {Cut()}


@pytest.mark.parametrize("ends", [("", "_2"), ("_rec", "_2_rec"), ("_Vol", "-002.rec")])
def test_a_number_at_the_end_of_all_names_is_not_removed(ends):
    series = [f"Position_{n}" for n in range(1, 9)]
    sets = {end: named("{}" + end, series) for end in ends}
    cuts = common_names(sets)
    keys = [{cuts[name].of(ts_id) for ts_id in ids} for name, ids in sets.items()]
    assert not keys[0] & keys[1]


def write(path, names, **more):
    records = [make_score(n, 1.0 + 0.01 * i, **more) for i, n in enumerate(names)]
    path.write_text("".join(map(json_line, records)))


def test_the_command_reports_the_removed_parts_of_names(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "warp.jsonl", named("{}_10.00Apx"))
    write(tmp_path / "imod.jsonl", named("{}_rec"))
    assert main(["compare", "warp.jsonl", "imod.jsonl", "--csv", "c.csv"]) == 0
    said = capsys.readouterr().out
    assert "over 12 tilt series" in said and "Left out" not in said
    assert "the parts that all names of a set share (warp: '_10.00Apx'; imod: '_rec')" in said
    assert (tmp_path / "c.csv").read_text().splitlines()[1].startswith("TS_01,")


def test_unmatched_ids_are_listed_with_a_solution(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", named("{}_rec"))
    write(tmp_path / "b.jsonl", [f"Position_{n}" for n in range(5)])
    assert main(["compare", "a.jsonl", "b.jsonl"]) == 1
    said = capsys.readouterr().err
    assert "a has TS_01_rec, TS_02_rec, TS_03_rec, ...; b has Position_0, Position_1" in said
    assert "name the files alike, or score them by a job file that gives each tomogram" in said


def test_differences_of_slab_limits_and_voxel_sizes_are_reported_for_matched_names():
    whole = [make_score(name, 1.0) for name in named("{}_Vol")]
    part = [make_score(n, 1.0, z_range=(2, None), voxel_size_angstrom=20.0) for n in named("{}")]
    sets, _ = joined({"A": whole, "B": part})
    voxels, limits = remarks_on(sets)
    assert voxels.startswith("Voxel sizes differ (A: A: 10; B: 20)")
    assert limits == (
        "Slab limits differ in 12 tilt series (TS_01: A: all slices; B: slices 2 to the last): not "
        "the same slices were scored."
    )


def test_equal_slab_limits_in_both_sets_are_not_reported():
    def a_set():
        return [make_score(name, 1.0, z_range=(n, 15)) for n, name in enumerate(SERIES[:4])]

    assert remarks_on({"A": a_set(), "B": a_set()}) == []

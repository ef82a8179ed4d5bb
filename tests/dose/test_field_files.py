# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata as other programs write it is read correctly or refused."""

import dose_files
import mrcfile
import numpy as np
import pytest
from dose_files import (
    ANGLES,
    DOSE,
    PIXEL_ANGSTROM,
    RANK,
    WOBBLING,
    check,
    column,
    edited,
    xf_of,
)

from tomoscore_scipion.dose.series_files import UNALIGNED, read_series
from tomoscore_scipion.records.dose_job import parse_dose_job
from tomoscore_scipion.records.errors import TomogramError

N = len(ANGLES)
BIDIRECTIONAL = np.array([5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 10])


def shuffled(text):
    """An .aln with its rows in another order; AreTomo 2 sorts them by angle."""
    head = [line for line in text.splitlines() if line.startswith("#")]
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join([*head, *rows[1::2], *rows[::2]]) + "\n"


LOCAL = "# Local Alignment\n   0   0   -24.00    -24.00   ****   0.10   1.0\n"
SECTIONS = {
    "from 0": ((), dose_files.aln()),
    "from 1": ((), dose_files.aln(first=1, offsets=True)),
    "from 1, rows in another order": ((), shuffled(dose_files.aln(first=1))),
    "from 1, the first one dark": ((0,), dose_files.aln(dark=(0,), first=1, offsets=True)),
    "from 1, the last ones dark": ((9, 10), dose_files.aln(dark=(9, 10), first=1)),
    "from 1, dark ones within": ((4, 7), dose_files.aln(dark=(4, 7), first=1)),
    "from 1, dark ones from 0": ((0, 4), dose_files.aln(dark=(0, 4), first=1, dark_first=0)),
    "from 0, dark ones from 0": ((0, 4), dose_files.aln(dark=(0, 4), dark_first=0)),
    "from 1, with local alignment": ((3,), dose_files.aln(dark=(3,), first=1) + LOCAL),
    "from 0, with local alignment": ((), dose_files.aln() + LOCAL),
    "from 1, comments without blanks": (
        (4,),
        dose_files.aln(dark=(4,), first=1).replace("# ", "#"),
    ),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_aretomo_sections_are_assigned_to_their_images(series, files, case):
    dark, text = SECTIONS[case]
    views = [view for view in range(N) if view not in dark]
    check(series(aln=text, mdoc=files["mdoc"]), views)
    check(series(aln=text, tlt=files["tlt"], doses=files["doses"]), views)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (dose_files.aln(first=2), "counted from 0 .* or from 1"),
        (edited(dose_files.aln(), "\n    4 ", "\n    5 "), "counted from 0"),
        (dose_files.aln(dark=(0,), first=1, dark_first=3), "counted from 0"),
        (edited(dose_files.aln(), "96 96 11", "96 96 12"), "11 aligned and 0 dark ones of 12"),
        (
            edited(dose_files.aln(), "96 96 11", "96 72 11"),
            "of the same field, got RawSize 96 x 72",
        ),
        (edited(dose_files.aln(), "96 96 11", "0 0 11"), "with # RawSize"),
        (edited(dose_files.aln(), "-40.00", "******"), "in line"),
    ],
    ids=["from 2", "twice", "dark elsewhere", "other number", "other field", "no size", "stars"],
)
def test_an_aln_file_of_another_stack_is_refused(series, files, text, message):
    with pytest.raises(TomogramError, match=rf"TS_01\.aln: .*{message}"):
        series(aln=text, doses=files["doses"])


WRONG_ANGLES = {
    "beyond reach": (1.57e24, r"from -90 to 90 degrees, got 1\.57e\+24"),
    "turned over": (600.0, "from -90 to 90 degrees, got 600"),
    "barely beyond": (-90.5, r"from -90 to 90 degrees, got -90\.(5|49)"),
    "radians": (None, "in radians"),
    "all alike": (0.0, "in radians"),
}


@pytest.mark.parametrize("kind", ["tlt", "aln", "warp_xml", "mdoc", "star"])
@pytest.mark.parametrize("case", WRONG_ANGLES)
def test_impossible_angles_are_refused_with_file_and_view(series, files, monkeypatch, case, kind):
    value, message = WRONG_ANGLES[case]
    angles = ANGLES.copy()
    if case == "radians":
        angles = np.deg2rad(angles)
    elif case == "all alike":
        angles = np.linspace(19.5, 20.5, N)
    else:
        angles[3] = value
    monkeypatch.setattr(dose_files, "ANGLES", angles)
    texts = {
        "tlt": lambda: column(angles),
        "aln": lambda: dose_files.aln(angles=angles),
        "warp_xml": dose_files.warp_xml,
        "mdoc": dose_files.mdoc,
        "star": lambda: dose_files.star(rlnTomoYTilt=angles),
    }
    at = "" if case in ("radians", "all alike") else "view "
    doses = {} if kind in ("warp_xml", "mdoc", "star") else {"doses": files["doses"]}
    with pytest.raises(TomogramError, match=rf"TS_01\.{kind}: {at}.*{message}"):
        series(**{kind: texts[kind]()}, **doses)


@pytest.mark.parametrize("binned", [4.0, 2.0, 0.5, 2.5])
def test_shifts_of_another_binning_are_rescaled(series, files, binned):
    size = (round(96 * binned), round(96 * binned))
    found = series(aln=dose_files.aln(first=1, size_xy=size, binned=binned), mdoc=files["mdoc"])
    check(found)
    assert any(f"images of {size[0]} x {size[1]} pixels" in text for text in found.warnings)


@pytest.mark.parametrize("kind", ["xf", "aln", "warp_xml", "star"])
def test_shifts_beyond_the_image_are_refused(series, files, monkeypatch, kind):
    far = dose_files.shifts()
    far[6] = (120.0, 0.0)
    monkeypatch.setattr(dose_files, "shifts", lambda: far)
    texts = {
        "xf": lambda: xf_of(dose_files.transforms()),
        "aln": dose_files.aln,
        "warp_xml": dose_files.warp_xml,
        "star": dose_files.star,
    }
    beside = {"xf": {"tlt": files["tlt"], "doses": files["doses"]}, "aln": {"mdoc": files["mdoc"]}}
    with pytest.raises(TomogramError, match=rf"TS_01\.{kind}: view 7: .*within the image of 96 x"):
        series(**{kind: texts[kind]()}, **beside.get(kind, {}))


def test_shifts_of_more_than_half_the_image_give_a_warning(series, files):
    transforms = dose_files.transforms()
    transforms[:4, 0, 2] = 60.0
    found = series(xf=xf_of(transforms), tlt=files["tlt"], doses=files["doses"])
    assert "4 of 11 views are shifted by more than half" in found.warnings[0]


TIMELESS = {
    "no time": lambda rank: "",
    "empty time": lambda rank: "DateTime = ",
    "one time": lambda rank: "DateTime = 14-Mar-24  10:00:00",
    "unknown form": lambda rank: f"DateTime = {rank} minutes past ten",
    "minutes of many": lambda rank: f"DateTime = 14-Mar-24  10:0{rank // 4}:00",
    "some missing": lambda rank: f"DateTime = 14-Mar-24  10:{rank:02d}:00" if rank % 2 else "",
}


@pytest.mark.parametrize("case", TIMELESS)
@pytest.mark.parametrize("order", [np.arange(N), np.arange(N)[::-1]], ids=["rising", "falling"])
def test_an_mdoc_without_acquisition_order_is_refused(series, files, case, order):
    text = dose_files.mdoc(order, prior=False, times=TIMELESS[case])
    with pytest.raises(TomogramError, match=r"TS_01\.mdoc: the order of acquisition is not known"):
        series(mdoc=text, tlt=files["tlt"], xf=files["xf"])
    same = edited(dose_files.mdoc(order, times=TIMELESS[case]), f"{DOSE * 3}", "0.0")
    with pytest.raises(TomogramError, match=r"the order of acquisition is not known.*--doses"):
        series(mdoc=same, tlt=files["tlt"], xf=files["xf"])


@pytest.mark.parametrize(
    "times",
    [
        lambda rank: f"DateTime = 14-Mar-2024  10:{rank:02d}:30",
        lambda rank: f"DateTime = 2024-03-14T10:{rank:02d}:30",
        lambda rank: f"DateTime = 2024-Mar-14  10:{rank:02d}:30.5",
        lambda rank: (
            "DateTime = "
            + (f"31-Dec-23  23:{rank:02d}:30" if rank < 4 else f"1-Jan-24  00:{rank:02d}:30")
        ),
    ],
    ids=["long year", "ISO", "month by name", "over midnight"],
)
def test_acquisition_times_of_any_known_format_give_the_order(series, files, times):
    text = dose_files.mdoc(np.arange(N), prior=False, times=times)
    found = series(mdoc=text, tlt=files["tlt"], xf=files["xf"])
    check(found)
    assert found.warnings == ()


@pytest.mark.parametrize("case", ["no time", "one time", "unknown form"])
def test_mdoc_sections_without_times_are_used_in_file_order_with_a_warning(series, files, case):
    text = dose_files.mdoc(prior=False, times=TIMELESS[case])
    found = series(mdoc=text, tlt=files["tlt"], xf=files["xf"])
    check(found)
    assert "in the order of the file" in found.warnings[0]


@pytest.mark.parametrize("with_xf", [False, True])
def test_an_mdoc_alone_gives_a_warning_unless_sorted_by_angle(series, files, with_xf):
    beside = {"xf": files["xf"]} if with_xf else {}
    as_taken = series(mdoc=dose_files.mdoc(), **beside)
    assert any("in the order of the sections" in text for text in as_taken.warnings)
    by_angle = series(mdoc=dose_files.mdoc(np.arange(N)), **beside)
    assert not any("in the order of the sections" in text for text in by_angle.warnings)
    np.testing.assert_allclose(by_angle.exposures.before, DOSE * RANK)


MIRRORED = {
    "other sign and order": (-WOBBLING[::-1], BIDIRECTIONAL[::-1], {"order", "sign"}),
    "other sign": (-WOBBLING, BIDIRECTIONAL, {"sign"}),
    "other order": (WOBBLING[::-1], BIDIRECTIONAL[::-1], {"order"}),
    "same": (WOBBLING, BIDIRECTIONAL, set()),
    "other sign and order, pretilt": (9 - WOBBLING[::-1], BIDIRECTIONAL[::-1], {"order", "sign"}),
}


@pytest.mark.parametrize("case", MIRRORED)
@pytest.mark.parametrize("known", ["tlt", "aln"])
def test_warp_doses_are_assigned_to_views_by_angle(series, files, case, known):
    angles, rank, expected = MIRRORED[case]
    xml = dose_files.warp_xml(Angles=angles, Dose=DOSE * rank, AxisAngle=None)
    by = {"tlt": column(WOBBLING), "aln": dose_files.aln(angles=WOBBLING)}[known]
    found = series(warp_xml=xml, **{known: by})
    np.testing.assert_allclose(found.exposures.before, DOSE * BIDIRECTIONAL)
    texts = {"order": "run in another order", "sign": "have the other sign"}
    for name, text in texts.items():
        assert any(text in warning for warning in found.warnings) == (name in expected)


def test_an_ambiguous_order_of_angles_gives_a_warning_if_doses_differ_much(series, files):
    for rank, doubted in ((RANK, False), (BIDIRECTIONAL, True)):
        found = series(warp_xml=dose_files.warp_xml(Dose=DOSE * rank), tlt=files["tlt"])
        np.testing.assert_allclose(found.exposures.before, DOSE * rank)
        assert any("in another order as well" in text for text in found.warnings) is doubted


@pytest.mark.parametrize("kind", ["warp_xml", "star", "mdoc", "aln"])
@pytest.mark.parametrize("other", ["another range", "another step", "one view off"])
def test_angles_of_another_series_are_refused(series, files, monkeypatch, kind, other):
    strange = {
        "another range": ANGLES + 40,
        "another step": ANGLES * 0.7,
        "one view off": np.where(np.arange(N) == 4, 30.0, ANGLES),
    }[other]
    if other == "one view off" and kind != "aln":
        strange = np.where(np.arange(N) == 4, -4.0, ANGLES)
    monkeypatch.setattr(dose_files, "ANGLES", strange)
    texts = {
        "warp_xml": dose_files.warp_xml,
        "mdoc": dose_files.mdoc,
        "aln": lambda: dose_files.aln(angles=strange),
        "star": lambda: dose_files.star(rlnTomoYTilt=strange),
    }
    beside = {"doses": files["doses"]} if kind == "aln" else {}
    with pytest.raises(TomogramError, match=rf"TS_01\.{kind}: .*angle"):
        series(**{kind: texts[kind]()}, tlt=files["tlt"], **beside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (column([0] * N, [3] * N), "got 0 e/A.2 for all views"),
        (column([3.0] * N, [3.0] * N), "got 3 e/A.2 for all views"),
        (column([3] * N, 3 * RANK), "got 3 e/A.2 for all views"),
        (column(3 * (RANK // 2), [3] * N), "views 5 and 6: expected another dose before each"),
        (column([5] * N), "different accumulated dose"),
        (column(1e9 * RANK, [3] * N), "at most 3000 e/A.2"),
    ],
    ids=["zeros", "equal", "columns swapped", "pairs", "one column", "absurd"],
)
def test_doses_without_an_acquisition_order_are_refused(series, files, text, message):
    with pytest.raises(TomogramError, match=rf"TS_01\.doses.*{message}"):
        series(doses=text, tlt=files["tlt"])


@pytest.mark.parametrize("left", [(0,), (9, 10), (4, 7), (0, 1, 10)])
def test_a_warp_stack_without_deselected_tilts_matches_metadata_of_all_tilts(
    series, files, tmp_path, left
):
    used = [view not in left for view in range(N)]
    rest = np.flatnonzero(used)
    with mrcfile.open(files["stack"]) as mrc:
        images = mrc.data[rest]
    stack = str(tmp_path / "used.mrc")
    mrcfile.write(stack, images, voxel_size=PIXEL_ANGSTROM)
    xml = dose_files.warp_xml(UseTilt=used)
    for beside in ({}, {"tlt": column(WOBBLING[rest])}):
        found = series(stack=stack, warp_xml=xml, **beside)
        assert found.tilts.views.tolist() == list(range(len(rest)))
        np.testing.assert_allclose(found.tilts.angles_deg, ANGLES[rest], atol=0.05)
        np.testing.assert_allclose(found.tilts.transforms, dose_files.transforms()[rest], atol=1e-6)
        np.testing.assert_allclose(found.exposures.before, (DOSE * RANK)[rest])
        np.testing.assert_allclose(found.optics.defocus_nm, 3000 + 100 * rest)
    with pytest.raises(
        TomogramError, match=rf"expected {len(rest)} views.*got 11, of which Warp uses"
    ):
        series(stack=stack, warp_xml=dose_files.warp_xml())
    # The .mdoc is matched to the remaining images by angle as well.
    found = series(stack=stack, mdoc=files["mdoc"], tlt=column(WOBBLING[rest]))
    np.testing.assert_allclose(found.exposures.before, (DOSE * RANK)[rest])


@pytest.mark.parametrize("pretilt", [9.5, -11.0, 16.0])
@pytest.mark.parametrize("kind", ["mdoc", "warp_xml", "star"])
def test_a_pretilt_between_two_files_is_accepted_with_a_warning(series, files, kind, pretilt):
    sound = {"mdoc": "mdoc", "warp_xml": "xml", "star": "star"}[kind]
    for corrected in (
        {"tlt": column(ANGLES + pretilt)},
        {"aln": dose_files.aln(angles=ANGLES + pretilt)},
    ):
        found = series(**{kind: files[sound]}, xf=files["xf"], **corrected)
        check(found)
        np.testing.assert_allclose(found.tilts.angles_deg, ANGLES + pretilt)
        assert any(f"{abs(pretilt):.1f} degrees throughout" in text for text in found.warnings)


TWO_LINES = "[T = SerialEM: a     15-May-24  16:56:54\n    ]\n[T = Tilt axis angle = 85.7, b = 1\n]"
MDOCS = {
    "title on two lines": (dose_files.mdoc(title=TWO_LINES), "utf-8"),
    "title that names fields": (dose_files.mdoc(title="[T = a\nTiltAngle = 3\n]"), "utf-8"),
    "title without its end": (dose_files.mdoc(title="[T = a"), "utf-8"),
    "several equals signs": (dose_files.mdoc(title="[T = a = b]\nNote = a = b = 3"), "utf-8"),
    "notes": (dose_files.mdoc(title="Comment without sign\n\n-- 3 <> [x]"), "utf-8"),
    "empty fields": (
        edited(dose_files.mdoc(), "ExposureDose", "CountsPerElectron = \nExposureDose"),
        "utf-8",
    ),
    "Latin-1": (dose_files.mdoc(title="[T = J\xfcrgen, 3 \xb5m]"), "latin-1"),
    "blanks at the ends": (edited(dose_files.mdoc(), "\n", " \r\n"), "utf-8"),
    "byte order mark": (dose_files.mdoc(), "utf-8-sig"),
    "montage sections": (
        edited(dose_files.mdoc(), "[ZValue = 3]", "[MontSection = 0]\nTiltAngle = 7\n\n[ZValue=3]"),
        "utf-8",
    ),
}


@pytest.mark.parametrize("case", MDOCS)
def test_other_content_of_an_mdoc_is_ignored(series, files, case):
    text, encoding = MDOCS[case]
    found = series(encoding, mdoc=text, tlt=files["tlt"], xf=files["xf"])
    check(found)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TiltAngle = 0.01", "TiltAngle = ", "section 1: expected TiltAngle.*--tlt, --doses"),
        ("TiltAngle = 0.01", "TiltAngle = flat", "section 1: expected a number.*TiltAngle.*'flat'"),
        ("ExposureDose = 3.0", "ExposureDose = 3,0", "decimal point, as ExposureDose, got '3,0'"),
        ("TiltAngle = -7.99", "Tilt = -7.99", "section 2: expected TiltAngle"),
        ("ExposureDose = 3.0", "ExposureDose = ", "section 1: expected ExposureDose.*--doses"),
        ("ExposureDose = 3.0", "ExposureDose = -1", "expected ExposureDose > 0.*--doses"),
        ("[ZValue", "[Frame", "got 0 sections"),
    ],
)
def test_missing_and_invalid_fields_of_an_mdoc_are_named_with_their_section(
    series, files, old, new, message
):
    with pytest.raises(TomogramError, match=rf"TS_01\.mdoc: .*{message}"):
        series(mdoc=edited(dose_files.mdoc(), old, new), tlt=files["tlt"])


COLUMNS = {
    "AreTomo 3": column(ANGLES, RANK + 1, [f"{DOSE:.2f}"] * N),
    "AreTomo 3, dark ones left out by hand": column(ANGLES, RANK + 1, [DOSE] * N),
    "from 0": column(ANGLES, RANK, [DOSE] * N),
    "accumulated dose": column(ANGLES, [f"{DOSE * (rank + 1):0.4f}" for rank in RANK]),
    "accumulated dose in whole numbers": column(ANGLES, (3 * (RANK + 1)).tolist()),
    "with a heading": "# angle order dose\n" + column(ANGLES, RANK + 1, [DOSE] * N),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_all_columns_of_an_angle_file_are_used(series, files, case):
    check(series(tlt=COLUMNS[case], xf=files["xf"]))


def test_views_missing_from_an_angle_file_count_in_the_accumulated_dose(series, files, tmp_path):
    rest = [0, 1, 3, 4, 6, 7, 9, 10]
    with mrcfile.open(files["stack"]) as mrc:
        images = mrc.data[rest]
    stack = str(tmp_path / "kept.mrc")
    mrcfile.write(stack, images, voxel_size=PIXEL_ANGSTROM)
    found = series(stack=stack, tlt=column(ANGLES[rest], RANK[rest] + 1, [DOSE] * len(rest)))
    np.testing.assert_allclose(found.exposures.before, (DOSE * RANK)[rest])


@pytest.mark.parametrize("ranks", [RANK, RANK + 1])
def test_an_angle_file_with_order_but_without_doses_needs_doses(series, files, ranks):
    text = column(ANGLES, ranks)
    with pytest.raises(
        TomogramError, match=r"TS_01\.tlt has the order of acquisition only.*--doses"
    ):
        series(tlt=text, xf=files["xf"])
    found = series(tlt=text, xf=files["xf"], doses=files["doses"])
    check(found)
    assert found.warnings == ()
    other = series(tlt=column(ANGLES, ranks[::-1]), xf=files["xf"], mdoc=files["mdoc"])
    assert "order of acquisition is another" in other.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (column(ANGLES, RANK, RANK, RANK), "one to three columns"),
        (column(ANGLES, [1] * N, [DOSE] * N), "order of acquisition, another whole number"),
        (column(ANGLES, RANK + 0.5, [DOSE] * N), "order of acquisition, another whole number"),
        (column(ANGLES, RANK + 1, [0] * N), "expected a dose of the view > 0"),
        (column(ANGLES, [f"{DOSE}"] * N), "different accumulated dose"),
    ],
    ids=["four columns", "equal ranks", "no ranks", "no dose", "dose of the view"],
)
def test_invalid_further_columns_of_an_angle_file_are_refused(series, text, message):
    with pytest.raises(TomogramError, match=rf"TS_01\.tlt.*{message}"):
        series(tlt=text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("minus", ["-", "\u2212", "\u2013"])
def test_byte_order_marks_and_typographic_minus_signs_are_read(series, encoding, minus):
    texts = {
        "tlt": column(ANGLES),
        "xf": xf_of(dose_files.transforms()),
        "doses": "# before, of\r\n" + column(DOSE * RANK, [DOSE] * N),
    }
    typed = {name: text.replace("-", minus) for name, text in texts.items()}
    typed["xf"] = texts["xf"] if "e-" in texts["xf"] else typed["xf"]
    check(series(encoding, **typed))


TWICE = {
    "at once": [0, 1, 2, 2],
    "at the end": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3],
    "two of them": [0, 0, 1, 2, 3, 3],
}


@pytest.mark.parametrize("case", TWICE)
@pytest.mark.parametrize("prior", [True, False])
def test_the_later_of_two_mdoc_sections_of_one_view_is_used(series, files, case, prior):
    ranks = TWICE[case] + [rank for rank in range(N) if rank not in TWICE[case]]
    views = np.argsort(RANK)[ranks]
    lines = ["[T = a]"]
    for z, view in enumerate(views):
        wobble = 0.02 if z in ranks[:z] else 0.0
        lines += [f"[ZValue = {z}]", f"TiltAngle = {ANGLES[view] + wobble}"]
        lines += [f"ExposureDose = {DOSE}", f"DateTime = 14-Mar-24 10:{z:02d}:00"]
        lines += [f"PriorRecordDose = {DOSE * z}"] if prior else []
    later = {int(view): DOSE * z for z, view in enumerate(views)}
    found = series(mdoc="\n".join(lines), tlt=files["tlt"], xf=files["xf"])
    check(found, doses=False)
    np.testing.assert_allclose(found.exposures.before, [later[view] for view in range(N)])


@pytest.mark.parametrize("axis", [-5.0, 85.3, -94.0, 178.0])
def test_relion_and_imod_files_give_the_same_series(series, files, axis):
    """RELION's conversion of IMOD's files: shift = -A^-1 D, and ZRot is the angle of A."""
    turn = dose_files.rotation(-axis)
    shifts = np.random.default_rng(1).uniform(-9, 9, (N, 2))
    xf = np.array([np.column_stack([turn, shift]) for shift in shifts])
    back = -np.einsum("ij,nj->ni", np.linalg.inv(turn), shifts) * PIXEL_ANGSTROM
    star = dose_files.star(
        rlnTomoZRot=np.full(N, axis),
        rlnTomoXShiftAngst=back[:, 0],
        rlnTomoYShiftAngst=back[:, 1],
    )
    relion = series(star=star)
    imod = series(xf=xf_of(xf), tlt=files["tlt"], doses=files["doses"])
    np.testing.assert_allclose(relion.tilts.transforms, imod.tilts.transforms, atol=1e-6)
    np.testing.assert_allclose(relion.tilts.angles_deg, imod.tilts.angles_deg)
    np.testing.assert_allclose(relion.exposures.before, imod.exposures.before)
    np.testing.assert_allclose(relion.exposures.per_view, imod.exposures.per_view)
    assert relion.warnings == ()


DROPPED = [view for view in np.argsort(RANK) if view not in (2, 9)]


@pytest.mark.parametrize(
    ("star", "with_tlt", "views"),
    [
        (dose_files.star(np.argsort(RANK), named="stack"), False, range(N)),
        (dose_files.star(np.argsort(RANK)), True, range(N)),
        (dose_files.star(DROPPED, named="stack"), False, np.sort(DROPPED)),
        (dose_files.star(DROPPED, rlnTomoYTilt=WOBBLING), True, np.sort(DROPPED)),
        (dose_files.star(rlnTomoNominalStageTiltAngle=ANGLES - 9.5), True, range(N)),
    ],
    ids=["named, as taken", "by angle, as taken", "named, some", "by angle, some", "pretilt"],
)
def test_relion_rows_are_assigned_to_their_images(series, files, star, with_tlt, views):
    found = series(star=star, **({"tlt": column(WOBBLING)} if with_tlt else {}))
    check(found, views)
    assert found.warnings == ()


def test_relion_rows_without_stack_names_or_tlt_are_used_in_order_or_refused(series, files):
    found = series(star=dose_files.star(np.argsort(RANK)))
    np.testing.assert_allclose(found.exposures.before, DOSE * np.arange(N))
    assert "give the angles of the stack (--tlt)" in found.warnings[0]
    with pytest.raises(TomogramError, match="expected 11 rows.*got 9; give the angles"):
        series(star=dose_files.star(DROPPED))


def test_an_unaligned_relion_series_has_nominal_angles_and_doses(series):
    bare = {name: None for name in ("rlnTomoYTilt", "rlnTomoXTilt", "rlnTomoZRot")}
    bare.update(rlnTomoXShiftAngst=None, rlnTomoYShiftAngst=None)
    found = series(star=dose_files.star(**bare))
    np.testing.assert_allclose(found.tilts.angles_deg, ANGLES + 0.01)
    np.testing.assert_allclose(found.exposures.before, DOSE * RANK)
    assert found.warnings == (UNALIGNED,)


@pytest.mark.parametrize("axis", [1e5, -361.0, 1e300])
@pytest.mark.parametrize("kind", ["warp_xml", "star"])
def test_a_tilt_axis_beyond_360_degrees_is_refused(series, axis, kind):
    axes = np.where(np.arange(N) == 3, axis, 5.0)
    texts = {
        "warp_xml": lambda: dose_files.warp_xml(AxisAngle=axes),
        "star": lambda: dose_files.star(rlnTomoZRot=axes),
    }
    with pytest.raises(TomogramError, match=rf"TS_01\.{kind}: view 4: .*tilt axis from -360"):
        series(**{kind: texts[kind]()})


@pytest.mark.parametrize(
    "matrix",
    [[[1, 1.5], [0, 1]], [[1, 0], [0, 0.6]], [[1, 0.4], [0, 1]], [[3, 0], [0, 3]]],
    ids=["sheared", "flattened", "sheared a little", "magnified"],
)
def test_a_matrix_that_is_no_rotation_is_refused(series, files, matrix):
    transforms = dose_files.transforms()
    transforms[5, :, :2] = matrix
    with pytest.raises(TomogramError, match=r"TS_01\.xf: view 6: expected a rotation"):
        series(xf=xf_of(transforms), tlt=files["tlt"], doses=files["doses"])


@pytest.mark.parametrize(
    ("key", "file"),
    [("tilt_series_star", "star"), ("warp_xml", "xml"), ("mdoc", "mdoc"), ("aln", "aln")],
)
def test_a_job_accepts_the_metadata_files_of_the_command(files, key, file):
    beside = {"mdoc": {"xf": files["xf"]}, "aln": {"doses": files["doses"]}}.get(key, {})
    entry = {"ts_id": "TS_01", "stack": files["stack"], key: files[file], **beside}
    (sources,) = parse_dose_job({"schema": 1, "tilt_series": [entry]}).series
    found = read_series(sources)
    if key == "mdoc":
        np.testing.assert_allclose(np.sort(found.exposures.before), DOSE * np.arange(N))
    else:
        check(found)


LIST_OF_SERIES = (
    "data_global\n\nloop_\n_rlnTomoName #1\n_rlnTomoTiltSeriesStarFile #2\n"
    "TS_01 tilt_series/TS_01.star\nTS_02 tilt_series/TS_02.star\n\n"
)
RELION_4 = "data_TS_01\n\nloop_\n_rlnTomoProjX #1\n_rlnTomoProjY #2\n[1,0,0,0] [0,1,0,0]\n\n"
SOME_NAN = dose_files.star(rlnTomoXShiftAngst=["nan", *range(N - 1)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LIST_OF_SERIES, "list of them; give one.*tilt_series/TS_01.star"),
        (RELION_4, "projection matrices of RELION 4"),
        (dose_files.star() + dose_files.star().replace("TS_01", "TS_02"), "one tilt series, got 2"),
        (SOME_NAN, "row 1: expected a finite number in rlnTomoXShiftAngst"),
        (dose_files.star(rlnTomoXTilt=np.linspace(0, 4, N)), "one rlnTomoXTilt for all views"),
        (dose_files.star(rlnMicrographName=["1@a.mrc"] * N), "each image of the stack once"),
        (dose_files.star(rlnMicrographPreExposure=[0] * N), "different accumulated dose"),
        (dose_files.star(rlnMicrographPreExposure=None), "doses of its views are not known"),
        (dose_files.star()[:-20], "cannot be read|finite number|a word in each of 8 columns"),
        ("PixelSpacing = 3\n", "expected RELION 5's star file"),
        ("data_\n", "RELION 5"),
    ],
    ids=["list", "RELION 4", "two", "NaN", "x tilt", "named twice", "no dose", "no doses", "cut"]
    + ["mdoc", "empty"],
)
def test_a_star_file_that_is_no_series_of_relion_5_is_refused(series, text, message):
    with pytest.raises(TomogramError, match=f"(?s){message}"):
        series(star=text)

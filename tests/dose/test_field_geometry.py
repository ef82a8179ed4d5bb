# SPDX-License-Identifier: GPL-3.0-or-later
"""Plausible but wrong angles, alignments and rows are refused, corrected or give a warning."""

import dose_files
import numpy as np
import pytest
from dose_files import ANGLES, DOSE, RANK, WOBBLING, check, column, edited, xf_of

from tomoscore_scipion.records.errors import TomogramError

N = len(ANGLES)
REVERSED = np.arange(N)[::-1]


def has_warning(found, text):
    return any(text in warning for warning in found.warnings)


OTHER_SIGN = {
    "mirrored": {"rlnTomoYTilt": -ANGLES},
    "no mirror image of themselves": {
        "rlnTomoYTilt": -WOBBLING - 7,
        "rlnTomoNominalStageTiltAngle": WOBBLING + 7,
    },
    "with a pretilt": {"rlnTomoYTilt": 9.5 - ANGLES},
    "rows of refined angles reversed": {"rlnTomoYTilt": ANGLES[::-1]},
    "images are named": {"rlnTomoYTilt": -ANGLES, "named": "stack", "order": np.argsort(RANK)},
}


@pytest.mark.parametrize("case", OTHER_SIGN)
@pytest.mark.parametrize("beside", [(), ("tlt",), ("tlt", "xf")])
def test_refined_relion_angles_of_the_other_sign_are_refused(series, files, case, beside):
    star = dose_files.star(**OTHER_SIGN[case])
    with pytest.raises(TomogramError, match=r"TS_01\.star: .*other sign, or the rows .*--tlt"):
        series(star=star, **{name: files[name] for name in beside})


@pytest.mark.parametrize(
    ("refined", "message"),
    [
        (np.roll(ANGLES, 1), "row 1: expected a refined angle .* got 40 where that is -39.99"),
        (np.where(np.arange(N) == 4, 10.0, ANGLES), "row 5: .* got 10 where that is -7.99"),
        (ANGLES / 2, "row (1|11): expected a refined angle"),
        (ANGLES + 45, "row .*: expected a refined angle"),
    ],
    ids=["next row", "one row", "another step", "offset of 45 degrees"],
)
def test_refined_relion_angles_far_from_the_nominal_ones_are_refused(series, refined, message):
    with pytest.raises(TomogramError, match=rf"TS_01\.star: {message}"):
        series(star=dose_files.star(rlnTomoYTilt=refined))


@pytest.mark.parametrize("nominal", [0.0, -3.0])
def test_constant_nominal_angles_are_ignored(series, nominal):
    found = series(star=dose_files.star(rlnTomoNominalStageTiltAngle=np.full(N, nominal)))
    check(found)
    assert found.warnings == ()


@pytest.mark.parametrize("refined", [ANGLES * 1.03, ANGLES - 9.5, ANGLES + WOBBLING % 3])
def test_plausible_refined_angles_give_no_warning(series, refined):
    found = series(star=dose_files.star(rlnTomoYTilt=refined))
    np.testing.assert_allclose(found.tilts.angles_deg, refined)
    assert found.warnings == ()


@pytest.mark.parametrize("order", [REVERSED, np.argsort(RANK), np.argsort(RANK)[::-1]])
@pytest.mark.parametrize("known", ["tlt", "aln"])
def test_relion_rows_in_another_order_are_assigned_to_images_by_angle(series, files, order, known):
    found = series(star=dose_files.star(order), **{known: files[known]})
    check(found)
    np.testing.assert_allclose(found.tilts.angles_deg, ANGLES)
    # Angles that are symmetric about 0 match with the other sign as well.
    doubted = known == "tlt" and order is REVERSED
    assert has_warning(found, "more than one order, with other shifts") is doubted
    wobbling = {
        "tlt": column(WOBBLING),
        "aln": dose_files.aln(angles=WOBBLING),
    }[known]
    star = dose_files.star(order, rlnTomoYTilt=WOBBLING)
    sure = series(star=star, **{known: wobbling})
    check(sure)
    assert sure.warnings == ()


@pytest.mark.parametrize("order", [REVERSED, np.argsort(RANK), np.roll(np.arange(N), 2)])
@pytest.mark.parametrize("named", ["frames", None])
def test_unsorted_relion_rows_without_stack_names_give_a_warning(series, order, named):
    names = {} if named else {"rlnMicrographName": None}
    found = series(star=dose_files.star(order, **names))
    np.testing.assert_allclose(found.exposures.before, (DOSE * RANK)[order])
    assert has_warning(found, "not in the rising order of angles") and has_warning(found, "--tlt")


def test_relion_rows_sorted_by_nominal_angles_give_no_warning(series):
    nominal = 3.0 * np.arange(-5, 6)
    refined = nominal + np.where(np.arange(N) % 2, 1.7, -1.7)
    assert (np.diff(refined) < 0).any()
    star = dose_files.star(rlnTomoYTilt=refined, rlnTomoNominalStageTiltAngle=nominal)
    assert series(star=star).warnings == ()


@pytest.mark.parametrize(
    "names",
    [
        [f"{i + 1}@TS_01.mrc" if i % 2 else f"frames/{i}.mrc" for i in range(N)],
        [f"{i + 1}@TS_0{i % 2}.mrc" for i in range(N)],
        ["frames/1.mrc", *(f"{i + 1}@TS_01.mrc" for i in range(1, N))],
    ],
    ids=["some", "two stacks", "all but one"],
)
def test_relion_rows_must_name_images_of_one_stack_or_of_none(series, names):
    with pytest.raises(TomogramError, match=r"TS_01\.star: expected images of one stack in rlnMic"):
        series(star=dose_files.star(rlnMicrographName=names))


def test_shifts_that_depend_on_an_ambiguous_order_give_a_warning(series, files):
    """Warp may invert the angles, so that a symmetric series has two possible orders."""
    xml = dose_files.warp_xml()
    assert has_warning(
        series(warp_xml=xml, tlt=files["tlt"]), "more than one order, with other shifts"
    )
    assert series(warp_xml=xml, tlt=files["tlt"], xf=files["xf"]).warnings == ()
    still = dose_files.warp_xml(AxisOffsetX=[3] * N, AxisOffsetY=[0] * N)
    assert series(warp_xml=still, tlt=files["tlt"]).warnings == ()


TWICE = {
    "table": (dose_files.star() * 2, "each table once, got data_TS_01 2 times"),
    "table with other numbers": (
        dose_files.star() + dose_files.star(rlnMicrographPreExposure=DOSE * RANK[::-1]),
        "each table once, got data_TS_01 2 times",
    ),
    "name of a table": (
        "data_TS_01\n\n_rlnVoltage 300\n\n" + dose_files.star(),
        "each table once, got data_TS_01 2 times",
    ),
    "series": (dose_files.star(rlnTomoName=["TS_01"] * 6 + ["TS_02"] * 5), "got 2: TS_01, TS_02"),
    "rows": (
        dose_files.star([*range(N), *range(N)], rlnMicrographPreExposure=None),
        "own in rlnMicrographName for each row, got frames/TS_01_1.mrc 2 times",
    ),
    "column": (
        edited(dose_files.star(), "_rlnTomoXTilt", "_rlnTomoYTilt"),
        "each column once, got rlnTomoYTilt 2 times",
    ),
    "rows that begin like a table": (
        dose_files.star(rlnMicrographName=[f"data_1/{view}.mrc" for view in range(N)]),
        "no row that begins with data_.*data_1/0.mrc",
    ),
}


@pytest.mark.parametrize("case", TWICE)
def test_duplicates_in_a_star_file_are_refused_by_name(series, files, case):
    text, message = TWICE[case]
    with pytest.raises(TomogramError, match=rf"TS_01\.star: .*{message}"):
        series(star=text, tlt=files["tlt"])


SUMMED = {
    "decimals": np.array([f"{DOSE * (rank + 1):.2f}" for rank in RANK]),
    "whole numbers": (3 * (RANK + 1)).tolist(),
    "of unequal exposures": np.cumsum(DOSE + 0.2 * np.arange(N))[RANK],
    "after views that are not in the stack": 60 + DOSE * (RANK + 1),
}


@pytest.mark.parametrize("case", SUMMED)
def test_a_third_column_of_accumulated_dose_is_read_with_a_warning(series, case):
    found = series(tlt=column(ANGLES, RANK + 1, SUMMED[case]))
    np.testing.assert_allclose(found.exposures.end, np.array(SUMMED[case], dtype=float))
    assert has_warning(found, "third column rises") and has_warning(
        found, "taken for the accumulated dose"
    )


def test_a_third_column_of_accumulated_dose_from_0_needs_a_convention(series):
    with pytest.raises(TomogramError, match=r"TS_01\.tlt: .*--dose-convention start"):
        series(tlt=column(ANGLES, RANK + 1, DOSE * RANK))


PER_VIEW = {
    "equal": (np.full(N, DOSE), False),
    "longer at high tilt": (DOSE / np.cos(np.deg2rad(WOBBLING)), False),
    "longer at high tilt, rounded": ((DOSE / np.cos(np.deg2rad(ANGLES))).round(1), False),
    "ever longer": (DOSE + 0.01 * RANK, True),
}


@pytest.mark.parametrize("case", PER_VIEW)
def test_a_third_column_of_doses_per_view_is_read(series, case):
    doses, doubted = PER_VIEW[case]
    found = series(tlt=column(ANGLES, RANK + 1, doses))
    np.testing.assert_allclose(found.exposures.per_view, doses)
    assert has_warning(found, "taken for the dose of each view") is doubted


COUNTED = {
    "from 1": np.arange(1, N + 1),
    "from 0": np.arange(N),
    "backwards": np.arange(N, 0, -1),
    "order of acquisition": RANK + 1,
    "with decimals": np.arange(1.0, N + 1),
    "some left out": np.array([1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13]),
}


@pytest.mark.parametrize("case", COUNTED)
@pytest.mark.parametrize("kind", ["tlt", "columns", "aln", "star", "warp_xml", "mdoc"])
def test_image_numbers_as_angles_are_refused(series, files, monkeypatch, case, kind):
    numbers = COUNTED[case]
    monkeypatch.setattr(dose_files, "ANGLES", numbers - (0.01 if kind == "mdoc" else 0))
    text = {
        "tlt": lambda: column(numbers),
        "columns": lambda: column(numbers, ANGLES),
        "aln": lambda: dose_files.aln(angles=numbers),
        "star": lambda: dose_files.star(rlnTomoNominalStageTiltAngle=numbers),
        "warp_xml": dose_files.warp_xml,
        "mdoc": dose_files.mdoc,
    }[kind]()
    key = "tlt" if kind == "columns" else kind
    beside = {"doses": files["doses"]} if key in ("tlt", "aln") else {}
    with pytest.raises(TomogramError, match=rf"TS_01\.{key}: .*whole numbers one apart.*image num"):
        series(**{key: text}, **beside)


@pytest.mark.parametrize(
    "numbers", [DOSE * RANK, DOSE * (RANK + 1), DOSE * (RANK + 0.5)], ids=["start", "end", "middle"]
)
def test_accumulated_doses_as_angles_are_refused(series, files, numbers):
    for beside in ({"doses": files["doses"]}, {"doses": files["doses"], "xf": files["xf"]}):
        with pytest.raises(TomogramError, match=r"TS_01\.tlt: .*got the accumulated doses of the"):
            series(tlt=column(numbers), **beside)
    for metadata in ("mdoc", "star", "warp_xml"):
        path = files["xml" if metadata == "warp_xml" else metadata]
        with pytest.raises(TomogramError, match="expected .*angle"):
            series(tlt=column(numbers), **{metadata: path})


@pytest.mark.parametrize(
    "angles",
    [5.0 * np.arange(N), 12 + 5.0 * np.arange(N), -2 - 5.0 * np.arange(N), 2.5 * (RANK + 1)],
    ids=["from 0", "from 12", "negative", "doses of another series"],
)
def test_angles_on_one_side_of_0_give_a_warning(series, files, angles):
    found = series(tlt=column(angles), doses=files["doses"], xf=files["xf"])
    np.testing.assert_allclose(found.tilts.angles_deg, angles)
    assert has_warning(found, "all tilt angles are on one side of 0")
    sound = series(tlt=files["tlt"], doses=files["doses"], xf=files["xf"], excluded=(0, 1, 2, 3, 4))
    assert sound.warnings == ()


def test_remaining_views_of_one_angle_are_refused(series, files):
    angles = np.where(np.arange(N) < 7, 0.2 * np.arange(N), ANGLES)
    with pytest.raises(TomogramError, match=r"TS_01\.tlt: .*got 0 to 1.2 degrees for all views"):
        series(tlt=column(angles), doses=files["doses"], excluded=(7, 8, 9, 10))


MIRRORED = {
    "along x": np.diag([-1.0, 1.0]),
    "along y": np.diag([1.0, -1.0]),
    "x and y swapped": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "and turned": np.diag([1.0, -1.0]) @ dose_files.rotation(85.0),
}


@pytest.mark.parametrize("case", MIRRORED)
@pytest.mark.parametrize("views", [[5], range(N)])
def test_a_matrix_that_mirrors_is_refused(series, files, case, views):
    transforms = dose_files.transforms()
    transforms[list(views), :, :2] = MIRRORED[case]
    message = rf"TS_01\.xf: view {views[0] + 1}: expected a rotation, got the matrix \[\[.*mirrors"
    with pytest.raises(TomogramError, match=message):
        series(xf=xf_of(transforms), tlt=files["tlt"], doses=files["doses"])


def test_a_rotation_by_180_degrees_is_accepted(series, files):
    transforms = dose_files.transforms()
    transforms[:, :, :2] = -np.eye(2)
    found = series(xf=xf_of(transforms), tlt=files["tlt"], doses=files["doses"])
    np.testing.assert_allclose(found.tilts.transforms, transforms)


ROT = "   -5.0000 "


@pytest.mark.parametrize("axis", [1.4888, -1.6406, 3.0543, -0.0873])
@pytest.mark.parametrize("kind", ["aln", "star", "warp_xml"])
def test_a_tilt_axis_that_may_be_in_radians_gives_a_warning(series, files, axis, kind):
    text = {
        "aln": lambda: edited(dose_files.aln(), ROT, f"{axis:10.4f} "),
        "star": lambda: dose_files.star(rlnTomoZRot=np.full(N, axis)),
        "warp_xml": lambda: dose_files.warp_xml(AxisAngle=np.full(N, axis)),
    }[kind]()
    beside = {"doses": files["doses"]} if kind == "aln" else {}
    found = series(**{kind: text}, **beside)
    assert found.warnings and "in degrees, and not in radians" in found.warnings[0]
    assert found.warnings[0].startswith(f"TS_01.{kind}: ")


@pytest.mark.parametrize("axis", [0.0, 3.2, 85.3, -94.0, 178.4])
def test_a_tilt_axis_in_degrees_gives_no_warning(series, files, axis):
    text = edited(dose_files.aln(), ROT, f"{axis:10.4f} ")
    assert series(aln=text, doses=files["doses"]).warnings == ()


@pytest.mark.parametrize(
    ("value", "count", "section"), [("1.02000", -1, 0), ("0.50000", 1, 0), ("0.00000", 1, 0)]
)
def test_an_aretomo_magnification_other_than_1_is_refused(series, files, value, count, section):
    text = dose_files.aln().replace("1.00000", value, count)
    with pytest.raises(
        TomogramError, match=rf"TS_01\.aln: SEC {section}: .*GMAG of 1, .*got {float(value):g}"
    ):
        series(aln=text, doses=files["doses"])
    rounded = dose_files.aln().replace("1.00000", "0.99980")
    check(series(aln=rounded, doses=files["doses"]))


@pytest.mark.parametrize("other", ["192 192 11", "96 96 12", "48 48 11"])
@pytest.mark.parametrize("first", [True, False])
def test_two_different_raw_sizes_are_refused(series, files, other, first):
    line = f"# RawSize = {other}\n"
    sound = "# RawSize = 96 96 11\n"
    text = edited(dose_files.aln(), sound, line + sound if first else sound + line)
    with pytest.raises(TomogramError, match=r"TS_01\.aln: expected one RawSize, got \("):
        series(aln=text, doses=files["doses"])
    check(series(aln=edited(dose_files.aln(), sound, sound * 2), doses=files["doses"]))


IMPOSSIBLE = {
    "beyond 90": np.where(np.arange(N) == 3, 90.5, ANGLES),
    "beyond -90": np.where(np.arange(N) == 0, -120.0, ANGLES),
    "no number": np.where(np.arange(N) == 2, np.nan, ANGLES),
    "infinite": np.where(np.arange(N) == 10, np.inf, ANGLES),
    "radians": np.linspace(-1.15, 1.15, N),
    "within 2 degrees": np.linspace(29.2, 30.8, N),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("kind", ["order", "order and dose", "nominal", "nominal beside refined"])
def test_impossible_angles_are_refused_in_files_with_further_columns(series, files, case, kind):
    angles = IMPOSSIBLE[case]
    given = {
        "order": lambda: {"tlt": column(angles, RANK + 1), "doses": files["doses"]},
        "order and dose": lambda: {"tlt": column(angles, RANK + 1, [DOSE] * N)},
        "nominal": lambda: {
            "star": dose_files.star(rlnTomoNominalStageTiltAngle=angles, rlnTomoYTilt=None)
        },
        "nominal beside refined": lambda: {
            "star": dose_files.star(rlnTomoNominalStageTiltAngle=angles)
        },
    }[kind]()
    with pytest.raises(TomogramError, match=r"TS_01\.(tlt|star): "):
        series(**given)


DEFOCUS = 31000.0 + 100 * np.arange(N)
KNOWN = {"rlnDefocusU": DEFOCUS - 500, "rlnDefocusV": DEFOCUS + 500}


def test_relion_defocus_is_assigned_by_image(series, files):
    order = np.argsort(RANK)
    for star, beside in (
        (dose_files.star(order, named="stack", **KNOWN), {}),
        (dose_files.star(order, **KNOWN), {"tlt": files["tlt"]}),
    ):
        found = series(star=star, excluded=(0, 4), **beside)
        np.testing.assert_allclose(found.optics.defocus_nm, DEFOCUS[found.tilts.views] / 10)
        assert found.optics.voltage_kv == 300
    microscope = {"rlnVoltage": [200] * N, "rlnSphericalAberration": [2.0] * N}
    star = dose_files.star(**KNOWN, **microscope, rlnAmplitudeContrast=[0.1] * N)
    optics = series(star=star).optics
    assert optics.described == "200 kV, Cs 2 mm and an amplitude contrast of 0.1"


@pytest.mark.parametrize(
    "columns",
    [
        {"rlnTomoXShiftAngst": None, "rlnTomoYShiftAngst": None},
        {"rlnTomoYShiftAngst": ["nan"] * N},
        {"rlnTomoZRot": ["<NA>"] * N},
    ],
    ids=["no shifts", "no numbers", "no axis"],
)
def test_an_incomplete_alignment_in_a_star_file_is_refused(series, files, columns):
    with pytest.raises(
        TomogramError, match=rf"TS_01\.star: .*no numbers in {list(columns)[0]}.*--xf"
    ):
        series(star=dose_files.star(**columns))
    check(series(star=dose_files.star(**columns), xf=files["xf"]))


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"rlnDefocusU": np.zeros(N), "rlnDefocusV": np.zeros(N)},
        {**KNOWN, "rlnDefocusU": np.where(np.arange(N) == 2, np.nan, DEFOCUS)},
        {**KNOWN, "rlnPhaseShift": np.full(N, 90.0)},
        {**KNOWN, "rlnVoltage": np.zeros(N)},
    ],
    ids=["none", "zeros", "one missing", "phase plate", "no voltage"],
)
def test_a_star_file_with_incomplete_defocus_is_read_without_optics(series, columns):
    found = series(star=dose_files.star(**columns))
    check(found)
    assert found.optics is None

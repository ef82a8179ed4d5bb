# SPDX-License-Identifier: GPL-3.0-or-later
"""Doses in a wrong unit, convention or column give a warning or an error."""

import dose_files
import numpy as np
import pytest
from dose_files import DOSE, RANK

from tomoscore_scipion.dose.series_record import record_of
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_file import read_angle_file
from tomoscore_scipion.tilt_metadata.dose_file import read_doses
from tomoscore_scipion.tilt_metadata.mdoc.series import read_mdoc
from tomoscore_scipion.tilt_metadata.relion.series import read_relion_star
from tomoscore_scipion.tilt_metadata.warp.series import read_warp_xml

N = len(RANK)


def table(*columns):
    return "".join(" ".join(f"{value:g}" for value in row) + "\n" for row in zip(*columns))


def doses_of(tmp_path, *columns, convention=None):
    path = tmp_path / "TS_01.txt"
    path.write_text(table(*columns))
    return read_doses(str(path), convention, N, "TS_01.mrc")


def readers_of_scaled_doses(tmp_path, factor):
    """Readers of the series with scaled doses, by file format."""
    of, before = np.full(N, DOSE * factor), DOSE * factor * RANK
    texts = {
        "two columns": table(before, of),
        "one column": table(before + of),
        "angles": table(dose_files.ANGLES, RANK + 1, of),
        "mdoc": dose_files.mdoc(prior=False).replace(
            f"ExposureDose = {DOSE}", f"ExposureDose = {of[0]}"
        ),
        "xml": dose_files.warp_xml(Dose=before),
        "star": dose_files.star(rlnMicrographPreExposure=before),
    }
    readers = {
        "two columns": lambda path: read_doses(path, None, N, "TS_01.mrc"),
        "one column": lambda path: read_doses(path, None, N, "TS_01.mrc"),
        "angles": lambda path: read_angle_file(path, N, "TS_01.mrc").exposures(None),
        "mdoc": lambda path: read_mdoc(path).exposures,
        "xml": lambda path: read_warp_xml(path, N).exposures,
        "star": lambda path: read_relion_star(path).exposures,
    }
    for kind, text in texts.items():
        path = tmp_path / f"TS_01.{kind.split()[0]}"
        path.write_text(text)
        yield kind, lambda path=str(path), kind=kind: readers[kind](path)


@pytest.mark.parametrize("factor", [100, 1e3, 1e6, 1e-3, 1e-2, 1e-4])
def test_doses_in_another_unit_are_refused(tmp_path, factor):
    for kind, read in readers_of_scaled_doses(tmp_path, factor):
        with pytest.raises(TomogramError, match=r"TS_01.*another unit.*--doses.*100 e/nm") as info:
            read()
        assert f"{33 * factor:g}" in str(info.value) or factor > 1, kind


@pytest.mark.parametrize("factor", [0.1, 0.25, 15, 60])
def test_an_unusual_total_dose_gives_a_warning(tmp_path, factor):
    for kind, read in readers_of_scaled_doses(tmp_path, factor):
        found = read()
        assert found.end.max() == pytest.approx(33 * factor), kind
        (warning,) = found.warnings
        assert f"{33 * factor:.4g} e/A^2, where 30 to 300 are usual" in warning


@pytest.mark.parametrize("factor", [0.4, 1, 3, 10])
def test_a_usual_total_dose_gives_no_warning(tmp_path, factor):
    for kind, read in readers_of_scaled_doses(tmp_path, factor):
        assert read().warnings == (), kind


def test_warnings_about_all_views_remain_when_some_are_excluded(tmp_path):
    found = doses_of(tmp_path, 30 * RANK, np.full(N, 40.0))
    assert found.select([4, 5, 6]).warnings == found.warnings != ()


def test_warnings_about_doses_are_in_the_record(tmp_path, scorer):
    stack = dose_files.write_stack(tmp_path / "TS_01.mrc", (32, 32))
    tlt, doses = dose_files.write_tlt(tmp_path / "TS_01.tlt"), tmp_path / "doses.txt"
    doses.write_text(table(60.0 * RANK, np.full(N, 60.0)))
    left = tuple(np.flatnonzero(RANK > 2))
    sources = Sources("TS_01", stack, tlt=tlt, doses=str(doses), excluded=left, thickness_nm=4)
    record = record_of(sources, scorer)
    assert any("660 e/A^2, where 30 to 300" in text for text in record.warnings)


BEFORE = DOSE * RANK.astype(float)


@pytest.mark.parametrize(
    "of",
    [BEFORE + DOSE, np.full(N, 30.0), np.where(np.arange(N) == 3, 40.0, DOSE), BEFORE[::-1] + 3],
    ids=["accumulated after", "ten times", "one view", "reversed"],
)
def test_a_dose_per_view_above_twice_the_dose_step_is_refused(tmp_path, of):
    with pytest.raises(
        TomogramError, match=r"TS_01\.txt: view \d+: expected a dose of the view of"
    ):
        doses_of(tmp_path, BEFORE, of)


@pytest.mark.parametrize(
    "of",
    [
        np.full(N, 4.0),
        np.full(N, 5.5),
        np.where(np.arange(N) == 3, 5.0, DOSE),
        np.full(N, 0.03),
        np.full(N, 1.0),
    ],
    ids=["a third more", "nearly twice", "one view", "a hundredth", "a third"],
)
def test_doses_that_do_not_add_up_give_a_warning(tmp_path, of):
    (warning,) = doses_of(tmp_path, BEFORE, of).warnings
    assert "do not agree" in warning and "grow by 30" in warning


ROUNDED = np.array([0, 1.5, 3, 4.5, 6, 7.5, 9, 10.5, 12, 13.5, 15])


@pytest.mark.parametrize(
    ("before", "of"),
    [
        (np.round(ROUNDED + 0.01), np.full(N, 1.5)),
        (BEFORE, np.full(N, 3.1)),
        (BEFORE + np.where(RANK > 4, 6, 0), np.full(N, DOSE)),
        (np.cumsum(np.linspace(2, 4, N)) - np.linspace(2, 4, N), np.linspace(2, 4, N)),
    ],
    ids=["rounded", "measured", "views missing", "more at high tilt"],
)
def test_doses_that_add_up_within_rounding_give_no_warning(tmp_path, before, of):
    assert doses_of(tmp_path, before, of).warnings == ()


def test_mdoc_doses_that_do_not_add_up_give_a_warning_or_an_error(tmp_path):
    path = tmp_path / "TS_01.mdoc"
    path.write_text(dose_files.mdoc().replace(f"ExposureDose = {DOSE}", "ExposureDose = 4.5"))
    (warning,) = read_mdoc(str(path)).exposures.warnings
    assert "TS_01.mdoc" in warning and "add up to 45 e/A^2 where the latter grow by 30" in warning
    path.write_text(dose_files.mdoc().replace(f"ExposureDose = {DOSE}", "ExposureDose = 33"))
    with pytest.raises(TomogramError, match=r"TS_01\.mdoc: view 1: .*got 33"):
        read_mdoc(str(path))


@pytest.mark.parametrize(
    ("columns", "convention", "says"),
    [
        ((BEFORE + DOSE,), "start", "--dose-convention end"),
        ((BEFORE + DOSE / 2,), "start", "--dose-convention middle"),
        ((BEFORE + 12,), "start", "views are missing before it"),
        ((BEFORE + DOSE / 2,), "end", "--dose-convention middle"),
        ((BEFORE + DOSE,), "middle", "at another point"),
        ((BEFORE + DOSE, np.full(N, DOSE)), None, "the dose before each view in the first column"),
    ],
)
def test_a_first_dose_of_another_convention_gives_a_warning(tmp_path, columns, convention, says):
    (warning,) = doses_of(tmp_path, *columns, convention=convention).warnings
    assert "TS_01.txt: the first view has" in warning and says in warning


def test_relion_and_warp_doses_after_each_view_give_a_warning(tmp_path):
    star, xml = tmp_path / "TS_01.star", tmp_path / "TS_01.xml"
    star.write_text(dose_files.star(rlnMicrographPreExposure=BEFORE + DOSE))
    xml.write_text(dose_files.warp_xml(Dose=BEFORE + DOSE))
    for found in (read_relion_star(str(star)).exposures, read_warp_xml(str(xml), N).exposures):
        assert "3 e/A^2 before it" in found.warnings[0] and "convention end" in found.warnings[0]
    assert read_relion_star(str(star), "end").exposures.warnings == ()


@pytest.mark.parametrize("convention", ["start", "middle", "end"])
def test_doses_in_the_given_convention_give_no_warning(tmp_path, convention):
    accumulated = BEFORE + {"start": 0, "middle": DOSE / 2, "end": DOSE}[convention]
    assert doses_of(tmp_path, accumulated, convention=convention).warnings == ()

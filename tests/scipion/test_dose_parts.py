# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine input files, records, session and plots of the dose protocol, without a project."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from lab import write_mrc

from tomoscore_scipion.protocols import tilt_files
from tomoscore_scipion.records import dose_session
from tomoscore_scipion.records.dose_record import DoseRecord

EYE = np.eye(3)


def image(place, path, accumulated=None, dose=None, matrix=EYE, enabled=True, angle=None):
    from pwem.objects import Transform
    from tomo.objects import TiltImage, TomoAcquisition

    angle = 3.0 * place if angle is None else angle
    made = TiltImage(location=(place, str(path)), tiltAngle=angle, acquisitionOrder=place)
    made.setAcquisition(TomoAcquisition(accumDose=accumulated, dosePerFrame=dose))
    if matrix is not None:
        made.setTransform(Transform(matrix=np.array(matrix, dtype=float)))
    made.setEnabled(enabled)
    return made


@pytest.fixture
def stack(scipion, tmp_path):
    return write_mrc(tmp_path / 'it\'s a "stack".mrc', 0.0, (3, 8, 8))


def doses(images):
    return [(v.dose_before, v.dose) for v in tilt_files.series_of(images, False).views]


def test_the_accumulated_dose_includes_the_view(stack):
    assert doses([image(n, stack, 2.5 * n, 2.5) for n in (3, 1, 2)]) == [
        (0, 2.5),
        (2.5, 2.5),
        (5, 2.5),
    ]


def test_missing_doses_per_view_are_differences_of_the_accumulated_dose(stack):
    images = [image(1, stack, 9.0), image(2, stack, 2.0), image(3, stack, 5.0, 0.0)]
    assert doses(images) == [(5.0, 4.0), (0.0, 2.0), (2.0, 3.0)]


def test_a_mean_dose_slightly_above_the_accumulated_dose_is_accepted(stack):
    images = [image(n, stack, 3.0 * n - 0.1, 3.0) for n in (1, 2, 3)]
    assert doses(images)[0] == (0.0, 3.0)
    images[0].getAcquisition().setAccumDose(1.0)
    with pytest.raises(tilt_files.SeriesError, match="must include the view itself"):
        doses(images)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda images, stack: images.clear(), "no images"),
        (lambda images, stack: images[0].setFileName("other.mrc"), "make a stack"),
        (lambda images, stack: images[0].setIndex(2), "images 1 to 3"),
        (lambda images, stack: images[2].setIndex(4), "images 1 to 3"),
        (lambda images, stack: images[2].setTiltAngle(None), "no tilt angle"),
        (lambda images, stack: images[1].setTransform(None), "not aligned"),
        (lambda images, stack: images[1].getAcquisition().setAccumDose(None), "no doses"),
        (lambda images, stack: images[1].setAcquisition(None), "no doses"),
        (lambda images, stack: open(stack, "w").close(), r"is empty \(0 bytes\)"),
    ],
)
def test_missing_metadata_of_a_tilt_series_is_named(stack, change, error):
    images = [image(n, stack, 3.0 * n, 3.0) for n in (1, 2, 3)]
    assert len(tilt_files.series_of(images, False).views) == 3
    change(images, stack)
    with pytest.raises(tilt_files.SeriesError, match=error):
        tilt_files.series_of(images, False)


@pytest.mark.parametrize(
    ("place", "kind", "value"),
    [
        (208, "4s", bytes(4)),  # no word MAP
        (212, "4s", b"\xff\1\2\3"),  # an invalid machine stamp
        (92, "<i", 8192),  # a missing extended header
        (88, "<i", 401),  # a stack of volumes
        (48, "<f", 0.0),  # no spacing in z
    ],
)
def test_unusual_stack_headers_are_accepted_as_by_the_engine(stack, place, kind, value):
    raw = bytearray(Path(stack).read_bytes())
    struct.pack_into(kind, raw, place, value)
    Path(stack).write_bytes(raw)
    images = [image(n, stack, 3.0 * n, 3.0) for n in (1, 2, 3)]
    assert tilt_files.series_of(images, False).images == 3


def test_files_have_a_row_for_every_image_of_the_stack(stack, tmp_path):
    with_z = [[0, -1, 0, 7], [1, 0, 0, -8], [0, 0, 1, 0], [0, 0, 0, 1]]
    disabled = image(3, stack, 3.0, 3.0, matrix=None, enabled=False)
    series = tilt_files.series_of([disabled, image(1, stack, 6.0, 3.0, with_z)], False)
    files = tilt_files.write_files(series, str(tmp_path / "in put"), "a")
    assert files["excluded"] == [1, 2]
    rows = {name: Path(files[name]).read_text().splitlines() for name in ("xf", "tlt", "doses")}
    assert [float(word) for word in rows["xf"][0].split()] == [0, -1, 1, 0, 7, -8]
    assert [len(row.split()) for row in rows["xf"]] == [6, 6, 6]
    assert rows["tlt"] == ["3.000", "0.000", "9.000"]
    assert rows["doses"] == ["3.0000 3.0000", "6.0000 1.0000", "0.0000 3.0000"]


def test_interpolated_views_need_no_transform(stack, tmp_path):
    images = [image(n, stack, 3.0 * n, 3.0, matrix=None) for n in (1, 2, 3)]
    series = tilt_files.series_of(images, True)
    assert tilt_files.write_files(series, str(tmp_path / "input"), "a")["xf"] is None


def record(name="a", scores=((10, 1.0), (20, 2.0), (30, 1.5)), low_high=(15, 25), **changes):
    steps = [
        {"dose": dose, "tomoscore": score, "tomoscore_interval": [score - 0.2, score + 0.2]}
        for dose, score in scores
    ]
    content = {
        "schema": 1,
        "ts_id": name,
        "path": f"{name}.mrc",
        "status": "ok",
        "model": {"name": "fake", "version": "1", "sha256": "0"},
        "steps": steps,
        "steps_weighted": steps,
        "optimum_dose": max(steps, key=lambda step: step["tomoscore"])["dose"],
        "suggested_range": low_high,
        "reason": None if low_high else "still rising at the last view",
    }
    return DoseRecord.from_json(json.dumps({**content, **changes}))


@pytest.mark.parametrize(
    "changes", [{"schema": 2}, {"status": "fine"}, {"steps": []}, {"optimum_dose": None}]
)
def test_an_invalid_record_is_refused(changes):
    with pytest.raises(ValueError, match="expected"):
        record(**changes)


def test_a_record_is_stored_in_a_file(tmp_path):
    record().save(str(tmp_path / "a.json"))
    again = DoseRecord.load(str(tmp_path / "a.json"))
    assert again == record() and again.best_step()["dose"] == 20 and again.total_dose() == 30


def test_the_median_curve_ends_where_half_of_the_series_have_ended():
    curves = [((10, 1.0), (20, 2.0)), ((10, 2.0), (30, 4.0)), ((10, 6.0),)]
    session = dose_session.session_of([record(scores=scores) for scores in curves])
    assert session.curve == [(10, 2.0), (20, 2.5)]


def test_a_session_has_a_range_if_half_of_the_series_have_one():
    rising = record(low_high=None)
    session = dose_session.session_of([record(), record(low_high=(25, 45)), rising, rising])
    assert session.low_high == (20, 35) and session.decided == 2
    assert (session.dose, session.tomoscore) == (20, 2.0)
    assert session.reasons == {"still rising at the last view": 2}
    assert dose_session.session_of([record(), rising, rising]).low_high is None
    undecided = dose_session.session_of([rising])
    assert (undecided.low_high, undecided.dose, undecided.tomoscore) == (None, None, None)


def test_warnings_of_the_engine_are_in_the_summary(scipion):
    from tomoscore_scipion.protocols import dose_summary_text

    odd = "the file is 9 bytes longer than its header says"
    records = [record("a", warnings=[odd]), record("b", warnings=[odd, "another"]), record("c")]
    assert dose_summary_text.warning_lines(records) == [
        "*Warnings*:",
        f"  a and 1 more: {odd}",
        "  b: another",
    ]
    assert dose_summary_text.warning_lines([record("c")]) == []


@pytest.mark.parametrize("low_high", [(15, 25), None])
def test_the_plots_have_curves_best_dose_and_range(scipion, low_high):
    from matplotlib.figure import Figure

    from tomoscore_scipion.viewers import dose_curves

    axes = Figure().add_subplot()
    dose_curves.draw_series(axes, record(low_high=low_high))
    texts = " / ".join(text.get_text() for text in axes.get_legend().get_texts())
    assert "all views up to the dose, 90 % interval" in texts and "dose weighted" in texts
    assert "thinned" not in texts
    assert ("best score: 20 e/" in texts) == ("suggested: 15 to 25" in texts) == bool(low_high)
    said = " ".join(text.get_text() for text in axes.texts)
    assert ("No range: still rising at the last view" in said) == (low_high is None)
    assert axes.get_xlim()[1] > 1 and axes.get_ylim()[0] == 0
    dose_curves.draw_session(axes, [record(), record(low_high=low_high)], low_high)
    texts = " / ".join(text.get_text() for text in axes.get_legend().get_texts())
    assert "2 tilt series" in texts and "median" in texts
    assert ("suggested for the session" in texts) == bool(low_high)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol TomoScore vs dose in a project: output tilt series and refused ones."""

import json
import time
from pathlib import Path

import pytest
from lab import ids, log_of

VIEWS = 21
"""Views per tilt series; at 3 e/A^2 each, 63 e/A^2 in total. The fake curve has six steps."""


def views_on(tilt_series):
    """{tsId: images of the stack that are enabled}."""
    return {
        series.getTsId(): {ti.getIndex() for ti in series.iterItems() if ti.isEnabled()}
        for series in tilt_series.iterItems()
    }


def attributes_of(items, *names):
    found = {item.getTsId(): tuple(item.getAttributeValue(n) for n in names) for item in items}
    items.close()
    return found


def entries_of(protocol):
    """{tsId: entry} of all jobs."""
    jobs = Path(protocol._getExtraPath("batches")).glob("*/job.json")
    entries = [entry for job in jobs for entry in json.loads(job.read_text())["tilt_series"]]
    return {entry["ts_id"]: entry for entry in entries}


@pytest.fixture(scope="module")
def analysed(project, tmp_path_factory):
    from lab import Lab

    lab = Lab(project, tmp_path_factory.mktemp('it\'s 100% of "two" words'))
    halves = [lab.series(name)["path"] for name in ("odd", "even")]
    entries = [
        lab.series("early", 30.0, halves=halves, disabled=[1, 11]),
        lab.series("late", 500.0, halves=halves),
        lab.series("flat", 20.0, halves=halves, missing=[4, 21], enabled=False),
        lab.series("bad", None, halves=halves),
    ]
    protocol = lab.dose(lab.source_of_series(entries))
    assert protocol.isFinished(), log_of(protocol)
    return protocol


def test_only_views_beyond_the_suggested_dose_are_disabled(analysed):
    limited = analysed.limitedTiltSeries
    assert limited.isStreamClosed() and limited.getSize() == 3
    before = analysed.inTiltSeries.get()
    on = views_on(limited)
    assert {s.getTsId() for s in limited.iterItems() if not s.isEnabled()} == {"flat"}
    doses = {name: dose for name, (dose,) in attributes_of(limited, "_tomoScoreDose").items()}
    assert doses["late"] == 63.0 and on["late"] == set(range(1, VIEWS + 1))
    for name, off in (("early", {1, 11}), ("flat", {4, 21})):
        series = before.getTiltSeriesFromTsId(name)
        images = [image.clone() for image in series.iterItems()]
        within = {
            image.getIndex()
            for image in images
            if image.getAcquisition().getAccumDose() <= doses[name]
        }
        assert on[name] == within - off and 3 < len(on[name]) < VIEWS - 2
    for series in before.iterItems():
        if series.getTsId() == "bad":
            continue
        made = limited.getTiltSeriesFromTsId(series.getTsId())
        assert made.hasAlignment() and made.hasOddEven() and made.getDim() == (64, 64, 1)
        pairs = list(
            zip([i.clone() for i in series.iterItems()], [i.clone() for i in made.iterItems()])
        )
        assert len(pairs) == len(series) == len(made)
        for old, new in pairs:
            assert new.getLocation() == old.getLocation()
            assert new.getTiltAngle() == old.getTiltAngle()
            assert new.getAcquisitionOrder() == old.getAcquisitionOrder()
            assert new.getAcquisition().getAccumDose() == old.getAcquisition().getAccumDose()
            assert (new.getTransform().getMatrix() == old.getTransform().getMatrix()).all()
            assert list(new.getOddEven()) == list(old.getOddEven())
            assert new.isEnabled() <= old.isEnabled()
    assert limited.hasAlignment() and limited.hasOddEven()
    assert limited.getAcquisition().getVoltage() == 300


def test_the_numbers_are_attributes_and_the_curve_is_a_file(analysed):
    names = ["_tomoScoreDose", "_tomoScoreDoseLow", "_tomoScoreDoseHigh", "_tomoScoreDoseTotal"]
    found = attributes_of(analysed.limitedTiltSeries, *names, "_tomoScoreDoseReason")
    dose, low, high, total, reason = found["early"]
    assert (low, high, total, reason) == (
        pytest.approx(0.8 * dose),
        pytest.approx(1.3 * dose),
        63,
        None,
    )
    assert found["late"] == (63.0, None, None, 63.0, "still rising at the last view")
    scores = attributes_of(
        analysed.limitedTiltSeries,
        "_tomoScore",
        "_tomoScoreLow",
        "_tomoScoreScale",
        "_tomoScoreDoseCurve",
    )
    for name, (score, low, scale, path) in scores.items():
        record = json.loads(Path(path).read_text())
        assert record["ts_id"] == name and record["steps_weighted"] and record["steps_matched"]
        assert score == pytest.approx(max(step["tomoscore"] for step in record["steps"]))
        assert low == pytest.approx(max(score - 0.2, 0)) and scale == pytest.approx(128 / 2**score)
        assert path.startswith(analysed._getExtraPath())
    assert analysed.limitedTiltSeries._tomoScoreModel.get() == "fake"
    assert analysed.limitedTiltSeries._tomoScoreThickness.get() == 0.0


def test_previews_are_tomograms_at_the_suggested_dose(analysed):
    previews = analysed.previewTomograms
    assert ids(analysed, "previewTomograms") == ["early", "flat", "late"]
    assert previews.getSamplingRate() == 16.0 and previews.getDim() == (48, 32, 8)
    assert previews.isStreamClosed() and previews.getAcquisition().getVoltage() == 300
    for tomogram in previews.iterItems():
        assert tomogram.getDim() == (48, 32, 8) and tomogram.getSamplingRate() == 16.0
        assert tomogram.getOrigin().getShifts() == (-384.0, -256.0, -64.0)
        assert not Path(tomogram.getFileName()).is_absolute()
        assert "preview" in tomogram.getObjLabel()
    doses = attributes_of(previews, "_tomoScoreDose")
    assert doses == attributes_of(analysed.limitedTiltSeries, "_tomoScoreDose")


def test_failed_tilt_series_have_their_reason(analysed):
    assert ids(analysed, "failedTiltSeries") == ["bad"]
    ((reason,),) = attributes_of(analysed.failedTiltSeries, "_tomoScoreError").values()
    assert "expected a stack that can be read" in reason
    (series,) = views_on(analysed.failedTiltSeries).values()
    assert series == set(range(1, VIEWS + 1))


def test_summary_and_methods_describe_the_session(analysed):
    summary = "\n".join(analysed.summary())
    assert "*analysed 3*" in summary and "medians of 2 of 3" in summary
    assert "1 without a range: still rising at the last view" in summary
    assert "Median curve (e/A^2: octaves): " in summary and "at the end of a view" in summary
    assert "*1 failed*" in summary and "bad: " in summary and "fake 1" in summary
    methods = "\n".join(analysed.methods())
    assert "(n = 3)" in methods and "10.7554/eLife.06980" in methods
    assert "10.1101/2024.11.06.622356" in methods and "ab" * 32 in methods


def test_the_engine_gets_every_image_of_the_stack_in_its_order(analysed):
    entries = entries_of(analysed)
    early = entries["early"]
    assert early["excluded"] == [0, 10] and entries["flat"]["excluded"] == [3, 20]
    assert entries["late"]["excluded"] == [] and early["pixel_size_angstrom"] == 10.0
    angles = [float(line) for line in Path(early["tlt"]).read_text().split()]
    assert angles == [3.0 * (n - 10) for n in range(VIEWS)]
    doses = [
        tuple(map(float, row.split())) for row in Path(early["doses"]).read_text().splitlines()
    ]
    assert doses[10] == (0.0, 3.0) and doses[9] == (3.0, 3.0) and doses[11] == (6.0, 3.0)
    assert doses[0] == (57.0, 3.0) and doses[20] == (60.0, 3.0)
    row = [float(word) for word in Path(early["xf"]).read_text().splitlines()[4].split()]
    assert row == pytest.approx([0.0871557, -0.9961947, 0.9961947, 0.0871557, 5.0, -2.5])


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        (dict(aligned=False), "tilt-series assign alignment"),
        (dict(dosed=False), "Dose per tilt image"),
    ],
)
def test_tilt_series_without_alignment_or_dose_are_refused_with_advice(lab, values, advice):
    from tomoscore_scipion.protocols import ProtTomoScoreDose

    good = lab.series("good")
    source = lab.source_of_series([lab.series("a", **values), lab.series("b", **values)])
    (error,) = lab.new(ProtTomoScoreDose, source, "TiltSeries").validate()
    assert error.startswith("*Tilt series*: a: ") and advice in error
    mixed = lab.source_of_series([lab.series("a", **values), good])
    protocol = lab.new(ProtTomoScoreDose, mixed, "TiltSeries")
    assert protocol.validate() == []
    (warning,) = protocol.warnings()
    assert "Of the first 2 tilt series 1 will be in failedTiltSeries. a: " in warning
    lab.launch(protocol)
    assert ids(protocol, "limitedTiltSeries") == ["good"], log_of(protocol)
    ((reason,),) = attributes_of(protocol.failedTiltSeries, "_tomoScoreError").values()
    assert advice in reason


def test_doses_in_the_order_of_angles_give_a_warning(lab):
    """Doses as tomo's import sets them if the order is unknown."""
    from tomoscore_scipion.protocols import ProtTomoScoreDose

    source = lab.source_of_series([lab.series("a"), lab.series("b", by_angle=True)])
    (warning,) = lab.new(ProtTomoScoreDose, source, "TiltSeries").warnings()
    assert warning.startswith("b: its doses rise with the tilt angle")


def test_interpolated_tilt_series_are_analysed_without_transforms(lab):
    series = lab.series("a", aligned=False, interpolated=True)
    protocol = lab.dose(lab.source_of_series([series]))
    assert protocol.isFinished(), log_of(protocol)
    assert entries_of(protocol)["a"]["xf"] is None
    made = protocol.limitedTiltSeries.getTiltSeriesFromTsId("a")
    assert made.interpolated() and not made.hasAlignment()
    assert protocol.limitedTiltSeries.interpolated()


def test_a_run_without_any_result_fails_with_the_reasons(lab):
    protocol = lab.dose(lab.source_of_series([lab.series("a", None), lab.series("b", None)]))
    assert protocol.isFailed()
    assert "none of 2 tilt series could be scored. a: " in protocol.getErrorMessage()
    assert ids(protocol, "failedTiltSeries") == ["a", "b"]


def test_a_stream_is_analysed_as_it_arrives_and_is_closed(lab, engine_log):
    entries = [lab.series("TS_0")]
    for n, best in ((1, None), (2, 20.0)):
        entries.append(lab.series(f"TS_{n}", best, after=str(lab.folder / f"gate-TS_{n}")))
    source = lab.source_of_series(entries, wait=False)
    lab.until(lambda: hasattr(source, "TiltSeries"), source)
    protocol = lab.dose(source, wait=False)
    for number, name in enumerate(("limitedTiltSeries", "failedTiltSeries", "limitedTiltSeries")):
        lab.until(lambda: f"TS_{number}" in ids(protocol, name), source, protocol)  # noqa: B023
        if number < 2:
            assert source.isActive() and getattr(protocol, name).isStreamOpen()
        lab.open_gate(f"TS_{number + 1}")
    lab.until(lambda: not protocol.isActive(), source, protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert (
        ids(protocol, "limitedTiltSeries") == ["TS_0", "TS_2"] == ids(protocol, "previewTomograms")
    )
    assert all(output.isStreamClosed() for _, output in protocol.iterOutputAttributes())
    assert [start["ids"] for start in engine_log()] == [["TS_0"], ["TS_1"], ["TS_2"]]


def test_a_stopped_run_resumes_on_continue(lab, engine_log, monkeypatch, tmp_path):
    gate = tmp_path / "gate"
    monkeypatch.setenv("FAKE_HOLD", "TS_2")
    monkeypatch.setenv("FAKE_GATE", str(gate))
    entries = [lab.series(f"TS_{n}", best) for n, best in enumerate((30.0, None, 20.0, 500.0))]
    protocol = lab.dose(lab.source_of_series(entries), wait=False)
    lab.until(
        lambda: ids(protocol, "failedTiltSeries") and ids(protocol, "limitedTiltSeries"), protocol
    )
    lab.project.stopProtocol(protocol)
    lab.until(lambda: not protocol.isActive(), protocol)
    stopped = time.time()
    finished = ids(protocol, "limitedTiltSeries") + ids(protocol, "failedTiltSeries")
    gate.touch()
    lab.resume(protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert (
        ids(protocol, "limitedTiltSeries")
        == ["TS_0", "TS_2", "TS_3"]
        == ids(protocol, "previewTomograms")
    )
    assert ids(protocol, "failedTiltSeries") == ["TS_1"]
    again = [key for start in engine_log() if start["begin"] > stopped for key in start["ids"]]
    assert "TS_2" in again and not set(again) & set(finished)
    assert all(len(on) > 3 for on in views_on(protocol.limitedTiltSeries).values())
    protocol.thickness.set(150.0)
    (error,) = protocol.validate()
    assert error.startswith("*Thickness*") and "Restart" in error


def test_a_half_written_tilt_series_is_written_again(lab):
    """The run is killed after writing a tilt series' images and before its row."""
    protocol = lab.dose(lab.source_of_series([lab.series("a"), lab.series("b", 20.0)]))
    before = views_on(protocol.limitedTiltSeries)
    tilt_series = protocol.limitedTiltSeries
    row = tilt_series.getTiltSeriesFromTsId("b")
    tilt_series._getMapper().delete(row)
    tilt_series.write()
    tilt_series.close()
    lab.resume(protocol)
    assert protocol.isFinished(), log_of(protocol)
    assert views_on(protocol.limitedTiltSeries) == before
    assert ids(protocol, "previewTomograms") == ["a", "b"]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Half maps of tomograms: measured scores, also in subsets and after Continue."""

import json
from pathlib import Path

from lab import ids, log_of


def entries_with_halves(lab):
    """Two tomograms, the first one with half maps."""
    halves = [lab.tomogram(f"a_{name}")["path"] for name in ("odd", "even")]
    return [lab.tomogram("a", 3.0, halves=halves), lab.tomogram("b", 2.0)], halves


def attributes(item):
    names = ("Halves", "HalvesLow", "HalvesHigh", "HalvesOctaves")
    return [getattr(item, f"_tomoScore{name}").get() for name in names]


def test_tomograms_have_the_scores_of_their_half_maps(lab):
    entries, halves = entries_with_halves(lab)
    scored = lab.score(lab.source(entries))
    assert scored.isFinished(), log_of(scored)
    found = {item.getTsId(): attributes(item) for item in scored.scoredTomograms}
    assert found == {"a": [2.5, 2.25, 2.75, 5], "b": [None, None, None, 0]}
    named = {
        ts_id: (entry.get("half1"), entry.get("half2"))
        for ts_id, entry in job_entries(scored).items()
    }
    assert named == {"a": tuple(halves), "b": (None, None)}


def job_entries(scored):
    """{tsId: entry} of all jobs of a run."""
    jobs = Path(scored._getExtraPath("batches")).glob("*/job.json")
    entries = [entry for job in jobs for entry in json.loads(job.read_text())["tomograms"]]
    return {entry["ts_id"]: entry for entry in entries}


def number_of_jobs(scored):
    return len(list(Path(scored._getExtraPath("batches")).glob("*/job.json")))


def test_half_maps_have_the_tilt_range_of_the_acquisition(lab):
    ranges = {"a": (-54, 60), "b": (0.0, 0.0), "d": (-95.0, 60.0), "e": (0, 51)}
    halves = [lab.tomogram(f"half_{name}")["path"] for name in ("odd", "even")]
    entries = [lab.tomogram(key, halves=halves, tiltRange=pair) for key, pair in ranges.items()]
    entries.append(lab.tomogram("f", tiltRange=(-60.0, 60.0)))  # without half maps
    scored = lab.score(lab.source(entries))
    assert scored.isFinished(), log_of(scored)
    in_job = {ts_id: entry.get("tilt_range_deg") for ts_id, entry in job_entries(scored).items()}
    assert in_job == {**dict.fromkeys("bdf"), "a": [-54.0, 60.0], "e": [0.0, 51.0]}
    jobs = number_of_jobs(scored)
    lab.resume(scored)
    assert scored.isFinished(), log_of(scored)
    assert number_of_jobs(scored) == jobs  # all tomograms are up to date


def test_the_filter_keeps_the_scores_of_half_maps(lab):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    entries, _ = entries_with_halves(lab)
    scored = lab.score(lab.source(entries))
    chosen = lab.launch(lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", threshold=2.5))
    assert ids(chosen, "acceptedTomograms") == ["a"]
    assert attributes(chosen.acceptedTomograms.getFirstItem()) == [2.5, 2.25, 2.75, 5]


def test_half_maps_are_not_used_if_switched_off_in_the_form(lab):
    entries, _ = entries_with_halves(lab)
    scored = lab.score(lab.source(entries), measureHalves=False)
    found = {item.getTsId(): attributes(item) for item in scored.scoredTomograms}
    assert found == {name: [None, None, None, 0] for name in "ab"}


def test_an_acquisition_without_angles_has_no_tilt_range(project):
    from tomo.objects import TomoAcquisition, Tomogram

    from tomoscore_scipion.protocols.score_adapter import _half_maps

    tomogram = Tomogram()
    tomogram.setHalfMaps(["/o.mrc", "/e.mrc"])
    halves = {"half1": "/o.mrc", "half2": "/e.mrc"}
    assert _half_maps(tomogram) == halves
    for angles in ((None, None), (-60.0, None), (60.0, -60.0)):
        tomogram.setAcquisition(TomoAcquisition(*angles))
        assert _half_maps(tomogram) == halves
    tomogram.setAcquisition(TomoAcquisition(-60, 57))
    assert _half_maps(tomogram) == {**halves, "tilt_range_deg": [-60.0, 57.0]}


def calibration_for(lab, model_sha256, **changes):
    """A calibration file of the fake engine's weights, or of others."""
    from tomoscore_scipion.calibration.calibration import Calibration, write_calibration
    from tomoscore_scipion.records.bands import PERIODS_NM

    fields = {
        "model_sha256": model_sha256,
        "shifts": (0.4, 0.4, 0.4, 0.0, -0.4),
        "octaves": PERIODS_NM[:5],
        "tomograms": 10,
        "kinds": {"by-frame": 10},
        "error_before": 0.8,
        "error_after": 0.3,
        "sd": 0.2,
        "half_width": 0.5,
        "engine_version": "1",
        "created": "2026-01-01T00:00:00+00:00",
    }
    path = lab.folder / "calibration.json"
    write_calibration(str(path), Calibration(**{**fields, **changes}))
    return path


def test_a_calibration_of_other_weights_is_an_error_of_the_form(lab):
    from tomoscore_scipion.protocols import ProtTomoScore

    source = lab.source([lab.tomogram("a")])
    for path, says in (
        (calibration_for(lab, "cd" * 32), "corrects scores of the weights cdcdcdcdcdcd"),
        (lab.folder / "none.json", "cannot read"),
    ):
        protocol = lab.new(ProtTomoScore, source, calibration=str(path))
        (error,) = protocol._validate()
        assert error.startswith("*Calibration file*: ")
        assert says in error


def test_continue_with_another_calibration_is_refused(lab):
    source = lab.source([lab.tomogram("a")])
    scored = lab.score(source)
    path = calibration_for(lab, scored.getModelSha256())
    scored.calibration.set(str(path))
    scored.runMode.set(0)  # Continue
    (error,) = scored._validate()
    assert error.startswith("*Calibration file*: another value than that of the results.")


def test_the_workflow_from_half_maps_to_accepted_tomograms(lab, monkeypatch):
    """Half maps measured by the engine, a calibration, calibrated scores, a rule, the filter."""
    import os

    from test_real_engine import ACTIVATION, textured

    from tomoscore_scipion.examples.rule import BY_SCORE, Rule, write_rule
    from tomoscore_scipion.plugin import TOMOSCORE_ENV_ACTIVATION, Plugin
    from tomoscore_scipion.protocols.protocol_filter import BY_RULE, ProtTomoScoreFilter

    monkeypatch.setenv(TOMOSCORE_ENV_ACTIVATION, ACTIVATION)
    monkeypatch.setitem(Plugin._vars, TOMOSCORE_ENV_ACTIVATION, ACTIVATION)
    entries = []
    for seed, name in enumerate("ab"):
        halves = [lab.tomogram(f"{name}_{half}")["path"] for half in ("odd", "even")]
        entries.append(lab.tomogram(name, halves=halves))
        for place, path in enumerate((entries[-1]["path"], *halves)):
            textured(path, 10 * seed + place)
    source = lab.source(entries, samplingRate=16.0)
    plain = lab.score(source, binThreads=1)
    assert plain.isFinished(), log_of(plain)
    records = [json.loads(line) for line in lines_of(plain)]
    assert all(record["halves"]["status"] in ("measured", "refused") for record in records)
    path = calibration_for(lab, plain.getModelSha256())
    scored = lab.score(source, binThreads=1, calibration=str(path))
    assert scored.isFinished(), log_of(scored)
    before = {r["ts_id"]: r["tomoscore"] for r in records}
    for record in (json.loads(line) for line in lines_of(scored)):
        assert record["calibration"]["name"] == "calibration.json"
        assert record["tomoscore_uncalibrated"] == before[record["ts_id"]]
    output = scored.scoredTomograms
    sha256 = output._tomoScoreCalibrationSha256.get()
    assert sha256 == scored.getCalibration().sha256
    assert output._tomoScoreCalibration.get() == "calibration.json"
    assert "calibrated by calibration.json" in " ".join(scored._summary())
    rule = Rule(BY_SCORE, threshold=0.0, calibration_sha256=sha256)
    write_rule(str(lab.folder / "rule.json"), rule)
    wanted = {"criterion": BY_RULE, "ruleFile": os.fspath(lab.folder / "rule.json")}
    chosen = lab.launch(lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", **wanted))
    assert ids(chosen, "acceptedTomograms") == ["a", "b"]
    refused = lab.new(ProtTomoScoreFilter, plain, "scoredTomograms", **wanted)
    assert "with the calibration" in " ".join(refused._validate())


def lines_of(protocol):
    """Lines of all records of a run."""
    files = Path(protocol._getExtraPath("batches")).glob("*/results.jsonl")
    return [line for file in files for line in file.read_text().splitlines()]

# SPDX-License-Identifier: GPL-3.0-or-later
"""From a path or an array to a record: reproducible, and every failure is reported."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import torch
from small_model import CARD, random_network, speckle

import tomoscore_scipion.engine as engine
from tomoscore_scipion import __version__
from tomoscore_scipion.model import inference
from tomoscore_scipion.model import scorer as module
from tomoscore_scipion.model.sampling import MAX_SLICES, plan_slices
from tomoscore_scipion.model.scorer import Scorer
from tomoscore_scipion.model.weights import save_weights, sha256_of
from tomoscore_scipion.reading.volume import ArrayVolume
from tomoscore_scipion.records.bands import PERIODS_NM, curve_as_list, fraction_below_nyquist
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.records.record import Score

VOLUME = speckle((12, 96, 96))
VOXEL = 15.0
COARSER = 20.0
"""Voxel size at which every plane of the volume is a separate slice."""
BORDER_TOLERANCE = 0.6
"""Allowed change of the score by a border, in octaves; large because the network is random."""


OPTIONAL_FIELDS = ("error", "halves", "z_range", "calibration", "tomoscore_uncalibrated")


def written(path, array=VOLUME, voxel_size=VOXEL):
    mrcfile.write(path, array, voxel_size=voxel_size, overwrite=True)
    return path


def result(score, *without):
    """The fields that must be equal in two records of the same tomogram."""
    leave = {"seconds", *without}
    return {key: value for key, value in score.to_dict().items() if key not in leave}


@pytest.fixture
def tomogram(tmp_path):
    return written(tmp_path / "TS_01.mrc")


# The record


def warnings_of(score):
    """Warnings of a record, without that of the small field of these volumes."""
    return tuple(text for text in score.warnings if not text.startswith("the field is only"))


def test_record_has_every_field(scorer, tomogram, random_weights):
    score = scorer.score(str(tomogram))
    assert isinstance(score, Score)
    assert all(
        getattr(score, field.name) is not None
        for field in dataclasses.fields(score)
        if field.name not in OPTIONAL_FIELDS
    )
    assert (score.ts_id, score.path, score.status, score.error) == (
        "TS_01",
        str(tomogram),
        "ok",
        None,
    )
    assert score.shape_zyx == (12, 96, 96)
    assert score.voxel_size_angstrom == VOXEL
    assert score.slab_z == (0, 11)
    assert score.model == {
        "name": "random",
        "version": "0.0.1",
        "sha256": sha256_of(random_weights),
    }
    assert score.engine_version == __version__
    assert score.device == "cpu"
    assert 0 < score.seconds < 60
    assert warnings_of(score) == ()
    json.dumps(score.to_dict(), allow_nan=False)


def test_numbers_of_a_record_are_consistent(scorer):
    score = scorer.score(VOLUME, COARSER)
    assert 0.5 < score.tomoscore < 4.5, "the random model must answer mid-range"
    assert score.scale_nm == pytest.approx(128 / 2**score.tomoscore, rel=1e-3)
    low, high = score.tomoscore_interval
    assert low < score.tomoscore < high
    assert [entry["z"] for entry in score.slices] == list(range(12))
    assert len({entry["tomoscore"] for entry in score.slices}) > 6, "and differ between slices"
    for entry in score.slices:
        assert entry["scale_nm"] == pytest.approx(128 / 2 ** entry["tomoscore"], rel=1e-3)
    assert tuple(score.curve["period_nm"]) == PERIODS_NM
    seen = np.clip((np.array(score.curve["resolvability"][:5]) - 0.15) / 0.45, 0, 1)
    assert score.tomoscore == pytest.approx(seen.sum(), abs=2e-3)
    assert 0 <= score.content <= 1


def test_an_array_has_no_path_and_a_default_id(scorer):
    assert (scorer.score(VOLUME, VOXEL).path, scorer.score(VOLUME, VOXEL).ts_id) == (None, "array")


def test_a_given_id_is_used(scorer, tomogram):
    assert scorer.score(tomogram, ts_id="Position 7").ts_id == "Position 7"


def test_path_objects_are_accepted(scorer, tomogram):
    assert isinstance(tomogram, Path)
    assert result(scorer.score(tomogram)) == result(scorer.score(str(tomogram)))


# The same numbers


def test_a_file_and_its_array_have_the_same_record(scorer, tomogram):
    from_file = result(scorer.score(tomogram), "path", "ts_id")
    assert from_file == result(scorer.score(VOLUME, VOXEL), "path", "ts_id")


def test_a_record_does_not_depend_on_earlier_tomograms(scorer, random_weights, tomogram):
    first = result(scorer.score(tomogram))
    for other in (3 * speckle((5, 200, 40), seed=5), np.zeros((4, 64, 64)), speckle((70, 70))):
        scorer.score(other, 20.0)
        assert result(scorer.score(tomogram)) == first
    assert result(Scorer.load(random_weights, "cpu").score(tomogram)) == first


def test_scoring_does_not_change_the_random_state(scorer):
    np.random.seed(1)
    torch.manual_seed(1)
    expected = np.random.rand(), float(torch.rand(()))
    np.random.seed(1)
    torch.manual_seed(1)
    scorer.score(VOLUME[:2], VOXEL)
    assert (np.random.rand(), float(torch.rand(()))) == expected


def test_an_array_is_not_changed(scorer):
    before = VOLUME.copy()
    scorer.score(VOLUME, VOXEL)
    np.testing.assert_array_equal(VOLUME, before)


@pytest.mark.parametrize(
    "change", [lambda v: -v, lambda v: 250 * v - 1000, lambda v: -0.01 * v + 5]
)
def test_gain_offset_and_contrast_sign_do_not_change_the_score(scorer, change):
    changed = scorer.score(change(VOLUME), VOXEL)
    assert changed.tomoscore == pytest.approx(scorer.score(VOLUME, VOXEL).tomoscore, abs=0.005)


@pytest.mark.parametrize("voxel", [15.0, 10.0, 5.0])
def test_a_volume_mirrored_in_z_has_the_same_score(scorer, voxel):
    volume = speckle((14, 96, 96), seed=4)
    score, turned = scorer.score(volume, voxel), scorer.score(volume[::-1], voxel)
    assert turned.tomoscore == pytest.approx(score.tomoscore, abs=2e-4)
    assert [entry["tomoscore"] for entry in reversed(turned.slices)] == pytest.approx(
        [entry["tomoscore"] for entry in score.slices], abs=2e-4
    )
    assert turned.slab_z == (13 - score.slab_z[1], 13 - score.slab_z[0])


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
def test_every_data_type_is_scored(scorer, tmp_path, dtype):
    values = np.round(20 * (VOLUME - VOLUME.mean()) / VOLUME.std())
    values = np.clip(values + (500 if dtype == "uint16" else 0), -127, 1000)
    if dtype == "int8":
        values = values.clip(max=127)
    found = scorer.score(written(tmp_path / "t.mrc", values.astype(dtype)))
    assert found.tomoscore == pytest.approx(scorer.score(VOLUME, VOXEL).tomoscore, abs=0.05)


# Voxel size


def test_a_given_voxel_size_is_used_with_a_warning(scorer, tomogram):
    given = scorer.score(tomogram, 20.0)
    assert given.voxel_size_angstrom == 20.0
    assert any("20" in warning and "15" in warning for warning in given.warnings)
    assert given.tomoscore == scorer.score(VOLUME, 20.0).tomoscore


@pytest.mark.parametrize(("voxel", "most"), [(25.0, "4.68"), (40.0, "4.00"), (200.0, "1.68")])
def test_coarse_voxels_limit_the_score_and_give_a_warning(scorer, voxel, most):
    score = scorer.score(VOLUME[:3, :16, :16], voxel)
    (warning,) = warnings_of(score)
    assert f"({voxel:g} A)" in warning
    assert f"cannot exceed {most}" in warning
    carried = [value is not None for value in score.curve["resolvability"]]
    assert carried == [share > 0 for share in fraction_below_nyquist(voxel / 10)]
    assert score.tomoscore <= float(most)


@pytest.mark.parametrize("voxel", [1.0, 15.0, 20.0])
def test_voxels_that_carry_all_scored_bands_give_no_warning(scorer, voxel):
    assert warnings_of(scorer.score(VOLUME[:3], voxel)) == ()


@pytest.mark.parametrize(
    ("shape", "voxel", "width"),
    [((2, 96, 200), 15.0, 144), ((2, 200, 96), 15.0, 144), ((1, 16, 16), 100.0, 160)],
)
def test_a_field_narrower_than_a_tile_gives_a_warning(scorer, shape, voxel, width):
    texts = scorer.score(speckle(shape), voxel).warnings
    assert any(f"the field is only {width} nm wide" in text for text in texts)


@pytest.mark.parametrize(("width", "voxel"), [(96, COARSER), (192, 9.9999), (20, 100.0)])
def test_a_field_as_wide_as_a_tile_gives_no_warning(scorer, width, voxel):
    assert "the field" not in " ".join(scorer.score(speckle((2, width, width)), voxel).warnings)


def test_an_array_needs_a_voxel_size(scorer):
    with pytest.raises(TomogramError, match="expected a voxel size"):
        scorer.score(VOLUME)


# Shapes


@pytest.mark.parametrize("n_z", [1, 2, 3, 5])
def test_thin_volumes_are_scored_in_every_plane(scorer, n_z):
    score = scorer.score(VOLUME[:n_z], COARSER)
    assert [entry["z"] for entry in score.slices] == list(range(n_z))
    assert score.slab_z == (0, n_z - 1)


def test_an_image_is_a_volume_of_one_slice(scorer):
    image = scorer.score(VOLUME[4], VOXEL)
    assert image.shape_zyx == (1, 96, 96)
    assert result(image) == result(scorer.score(VOLUME[4:5], VOXEL))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (3, 1, 50), (3, 50, 2), (2, 3, 3)])
@pytest.mark.parametrize("voxel", [5.0, 15.0, 40.0])
def test_tiny_volumes_get_a_record(scorer, shape, voxel):
    score = scorer.score(speckle(shape), voxel)
    assert score.status == "ok"
    assert score.shape_zyx == shape


def test_thick_volumes_are_sampled(scorer):
    score = scorer.score(speckle((130, 32, 32)), VOXEL)
    z = [entry["z"] for entry in score.slices]
    assert len(z) == MAX_SLICES
    assert z[0] <= 6
    assert z[-1] >= 123


def test_narrow_slices_are_scored(scorer):
    assert scorer.score(speckle((3, 40, 700)), VOXEL).status == "ok"


class CountingVolume(ArrayVolume):
    reads: list

    def _read_slice(self, z):
        self.reads.append(z)
        return super()._read_slice(z)


@pytest.mark.parametrize("voxel", [VOXEL, 20.0])
def test_only_planned_planes_are_read(scorer, monkeypatch, voxel):
    volume = CountingVolume(speckle((400, 8, 8)), voxel)
    volume.reads = []
    monkeypatch.setattr(module, "_open", lambda *_: volume)
    sampled = [entry["z"] for entry in scorer.score("some.mrc").slices]
    planned = [z for plan in plan_slices(400, voxel / 10) for z in plan.planes]
    assert [plan.z for plan in plan_slices(400, voxel / 10)] == sampled
    assert set(volume.reads) == set(planned)
    # A channel reads its own planes: those on a boundary are shared by two.
    assert len(volume.reads) <= 1.5 * len(planned)


# Blank and partly blank volumes


@pytest.mark.parametrize("value", [0.0, 41.0, 1e30, np.nan, -np.inf])
def test_a_constant_volume_scores_0_with_a_warning(scorer, value):
    score = scorer.score(np.full((6, 40, 40), value), VOXEL)
    assert (score.status, score.tomoscore, score.scale_nm) == ("ok", 0, None)
    assert score.warnings[0].startswith("constant, or nearly")
    assert all(entry["tomoscore"] == 0 for entry in score.slices)
    assert score.tomoscore_interval[0] == 0


def test_a_volume_constant_but_for_rounding_scores_0_with_a_warning(scorer):
    volume = (1e6 + 1e-2 * VOLUME).astype(np.float32)
    assert np.ptp(volume) > 0
    score = scorer.score(volume, VOXEL)
    assert score.tomoscore == 0
    assert score.warnings[0].startswith("constant, or nearly")


def test_nan_is_masked_with_a_warning(scorer):
    spoiled = VOLUME.copy()
    spoiled[3:5, :10] = np.nan
    spoiled[7, 50, 50] = np.inf
    score = scorer.score(spoiled, COARSER)
    assert score.warnings == ("3 of 12 scored slices hold NaN or inf: masked",)
    assert score.tomoscore == pytest.approx(
        scorer.score(VOLUME, COARSER).tomoscore, abs=BORDER_TOLERANCE
    )


def test_empty_slices_give_a_warning_and_are_left_out_of_the_slab(scorer):
    high = speckle((40, 96, 96))  # thick, so that few slices have the padding as neighbours
    padded = np.pad(high, ((20, 20), (0, 0), (0, 0)))
    score = scorer.score(padded, VOXEL)
    assert warnings_of(score) == ("6 of 12 scored slices are constant: empty, or padded volume?",)
    assert score.slab_z == (20, 59)
    assert score.tomoscore == pytest.approx(
        scorer.score(high, VOXEL).tomoscore, abs=BORDER_TOLERANCE
    )


def test_planes_outside_the_slab_limits_are_not_scored(scorer):
    score = scorer.score(VOLUME, COARSER, z_range=(2, 7))
    assert [s["z"] for s in score.slices] == list(range(2, 8))
    assert score.z_range == (2, 7) and scorer.score(VOLUME, VOXEL).z_range is None
    assert 2 <= score.slab_z[0] <= score.slab_z[1] <= 7
    to_the_end = scorer.score(VOLUME, COARSER, z_range=(4, None))
    assert [s["z"] for s in to_the_end.slices] == list(range(4, 12))


@pytest.mark.parametrize("limits", [(0, 12), (12, None), (12, 20)])
def test_slab_limits_outside_the_volume_are_an_error_of_that_tomogram(scorer, limits):
    with pytest.raises(TomogramError, match=r"slab limits .*within 0 to 11, which"):
        scorer.score(VOLUME, COARSER, z_range=limits)


def test_reversed_slab_limits_are_refused(scorer):
    with pytest.raises(ValueError, match="expected .first, last. slice"):
        scorer.score(VOLUME, COARSER, z_range=(5, 2))


def test_an_empty_border_hardly_changes_the_score(scorer):
    whole = speckle((6, 256, 256), seed=8)
    bordered = np.zeros((6, 320, 320), dtype=np.float32)
    bordered[:, 32:288, 32:288] = whole
    expected = scorer.score(whole, VOXEL).tomoscore
    assert scorer.score(bordered, VOXEL).tomoscore == pytest.approx(expected, abs=BORDER_TOLERANCE)


# Progress, failures


def test_progress_is_reported_after_every_slice(scorer):
    calls = []
    scorer.score(VOLUME, COARSER, progress=lambda *state: calls.append(state))
    assert calls == [(done, 12) for done in range(1, 13)]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_score_does_not_depend_on_the_number_of_threads(scorer, threads):
    before = torch.get_num_threads()
    expected = scorer.score(VOLUME, VOXEL)
    torch.set_num_threads(threads)
    try:
        found = scorer.score(VOLUME, VOXEL)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found.tomoscore == pytest.approx(expected.tomoscore, abs=1e-3)
    assert [s["z"] for s in found.slices] == [s["z"] for s in expected.slices]
    np.testing.assert_allclose(found.tomoscore_interval, expected.tomoscore_interval, atol=1e-3)
    curves = (record.curve["resolvability"] for record in (found, expected))
    np.testing.assert_allclose(*curves, atol=1e-3)


def test_an_interrupt_from_progress_is_raised(scorer):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scorer.score(VOLUME, VOXEL, progress=interrupt)
    assert scorer.score(VOLUME[:2], VOXEL).status == "ok"


def test_too_little_memory_is_an_error_of_that_tomogram(random_weights, monkeypatch):
    scorer = Scorer.load(random_weights, "cpu")
    failures = [torch.cuda.OutOfMemoryError("CUDA out of memory")]
    measure = inference.measure

    def failing(one, device):
        if failures:
            raise failures.pop()
        return measure(one, device)

    monkeypatch.setattr(inference, "measure", failing)
    with pytest.raises(TomogramError, match="free memory does not suffice"):
        scorer.score(VOLUME[:2], VOXEL)
    assert scorer.score(VOLUME[:2], VOXEL).status == "ok"


def test_an_out_of_distribution_tomogram_gets_a_warning_and_a_wider_interval(tmp_path):
    network = random_network()
    path = tmp_path / "strict.safetensors"
    scores = []
    for scale in (0.0, 10.0):
        n = network.reference_whitening.shape[-1]
        network.reference_whitening.copy_(
            scale * torch.eye(n).expand_as(network.reference_whitening)
        )
        interval = {**CARD["interval"], "strange": 0.1}
        save_weights(path, network, {**CARD, "interval": interval})
        scores.append(Scorer.load(path, "cpu").score(VOLUME, VOXEL))
    familiar, outside = scores
    assert warnings_of(familiar) == ()
    (warning,) = warnings_of(outside)
    assert warning.startswith("out of the model's depth")
    assert outside.tomoscore == familiar.tomoscore
    assert np.ptp(outside.tomoscore_interval) > np.ptp(familiar.tomoscore_interval)


def test_a_file_that_shrinks_while_it_is_read_is_an_error_of_that_tomogram(scorer, tomogram):
    size = tomogram.stat().st_size

    def shrink(done, total):
        os.truncate(tomogram, size // 2)

    with pytest.raises(TomogramError, match=f"{tomogram}: changed while it was read"):
        scorer.score(tomogram, progress=shrink)
    assert scorer.score(written(tomogram)).status == "ok"


@pytest.mark.parametrize("failing_read", [1, 8, 20])
def test_a_failed_read_in_the_background_is_an_error_of_that_tomogram(
    scorer, monkeypatch, failing_read
):
    class Failing(CountingVolume):
        def _read_slice(self, z):
            if len(self.reads) >= failing_read:
                raise TomogramError("t.mrc: the disk is gone")
            return super()._read_slice(z)

    volume = Failing(VOLUME, VOXEL)
    volume.reads = []
    monkeypatch.setattr(module, "_open", lambda *_: volume)
    with pytest.raises(TomogramError, match="the disk is gone"):
        scorer.score("t.mrc")


def test_no_thread_remains_after_a_failure(scorer, tomogram):
    def fail(done, total):
        raise ValueError("stop")

    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="stop"):
        scorer.score(tomogram, progress=fail)
    assert set(threading.enumerate()) <= before


def test_missing_files_are_errors_of_that_tomogram(scorer, tmp_path):
    with pytest.raises(TomogramError, match=r"none\.mrc"):
        scorer.score(tmp_path / "none.mrc")


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2, 2)), np.zeros(5), np.zeros((3, 0, 4)), np.zeros((4, 4), complex)]
)
def test_other_arrays_are_refused_with_their_shape(scorer, array):
    with pytest.raises(TomogramError, match="got shape"):
        scorer.score(array, VOXEL)


# Loading


def test_the_scorer_describes_its_model(scorer, random_weights):
    assert scorer.model["name"] == "random"
    assert scorer.model["sha256"] == sha256_of(random_weights)
    assert scorer.device == "cpu"
    assert scorer.notices == []
    assert scorer.card["interval"] == CARD["interval"]


def test_falling_back_to_the_cpu_gives_a_notice(random_weights, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    scorer = Scorer.load(str(random_weights), device="auto")
    assert scorer.device == "cpu"
    assert scorer.notices == ["no GPU that torch can use: scoring on the CPU"]


def test_a_missing_device_is_a_start_error(random_weights):
    with pytest.raises(StartError, match="cuda:99"):
        Scorer.load(random_weights, device="cuda:99")


def test_missing_weights_are_a_start_error(tmp_path):
    with pytest.raises(StartError, match=r"none\.safetensors"):
        Scorer.load(tmp_path / "none.safetensors", device="cpu")


def test_shipped_weights_are_the_default(random_weights, monkeypatch, tmp_path):
    shutil.copy(random_weights, tmp_path)
    monkeypatch.setattr("tomoscore_scipion.model.weights.FOLDER", tmp_path)
    assert Scorer.load(device="cpu").model["sha256"] == sha256_of(random_weights)


def test_the_engine_package_exports_its_interface():
    assert engine.Scorer is Scorer
    assert engine.Score is Score
    assert all(hasattr(engine, name) for name in engine.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Scores'"):
        _ = engine.Scores


def test_importing_the_engine_loads_no_heavy_package():
    code = (
        "import sys, tomoscore_scipion.engine as e; e.Score, e.StartError; "
        "print({'torch', 'scipy', 'pwem'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert seen.stdout.decode().strip() == "set()"


def test_curve_of_the_record_is_that_of_the_tomogram(scorer):
    score = scorer.score(VOLUME, 40.0)
    share = fraction_below_nyquist(4.0)
    values = [value or 0.0 for value in score.curve["resolvability"]]
    assert list(score.curve["resolvability"]) == curve_as_list(np.array(values), share)

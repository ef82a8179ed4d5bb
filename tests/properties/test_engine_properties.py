# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the engine's steps for any input."""

import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_model import CPU

from tomoscore_scipion.model.aggregation import summarise
from tomoscore_scipion.model.inference import SliceCurves
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.octaves import LIMIT, octaves
from tomoscore_scipion.model.sampling import MAX_SLICES, plan_slice, plan_slices
from tomoscore_scipion.model.weights import read_card
from tomoscore_scipion.records.bands import N_BANDS, N_SCORED, fraction_below_nyquist, tomoscore
from tomoscore_scipion.records.errors import StartError

voxels_nm = st.floats(0.01, 100)
correlations = st.one_of(st.floats(-1, 1), st.just(float("nan")))
curves = hnp.arrays("f8", N_BANDS, elements=correlations)
heights = st.integers(1, 3000)


@given(curves, voxels_nm)
def test_scores_lie_between_0_and_the_octaves_that_a_voxel_carries(curve, voxel_nm):
    share = fraction_below_nyquist(voxel_nm)
    assert 0 <= tomoscore(curve, share) <= share[:N_SCORED].sum() + 1e-9


@given(curves, st.integers(0, N_BANDS - 1), st.floats(0, 1), voxels_nm)
def test_a_better_band_never_lowers_the_score(curve, band, gain, voxel_nm):
    share = fraction_below_nyquist(voxel_nm)
    better = curve.copy()
    better[band] += gain
    assume(np.isfinite(better[band]))
    assert tomoscore(better, share) >= tomoscore(curve, share)


@given(voxels_nm, voxels_nm)
def test_a_finer_voxel_never_carries_fewer_octaves(one, other):
    fine, coarse = fraction_below_nyquist(min(one, other)), fraction_below_nyquist(max(one, other))
    assert (fine >= coarse).all()
    assert (coarse >= 0).all()
    assert (fine <= 1).all()


@given(heights, voxels_nm, st.integers(1, 40))
def test_plans_stay_inside_any_volume(n_z, voxel_nm, most):
    plans = plan_slices(n_z, voxel_nm, max_slices=most)
    # A volume of even height is sampled by pairs, so that both of its halves count the same.
    assert 1 <= len(plans) <= max(2, most)
    assert [plan.z for plan in plans] == sorted({plan.z for plan in plans})
    for plan in plans:
        assert plan.z in plan.centre.planes
        assert all(0 <= z < n_z for z in plan.planes)


@given(heights, voxels_nm)
def test_reversing_any_volume_reverses_its_plans(n_z, voxel_nm):
    plans = plan_slices(n_z, voxel_nm)
    assert len(plans) <= MAX_SLICES
    for plan, turned in zip(plans, reversed(plans)):
        for group in ("centre", "near", "far", "distant"):
            one, other = getattr(plan, group), getattr(turned, group)
            # A window of whole planes may touch one more at its end by rounding.
            found = dict(zip(one.planes, one.weights))
            mirrored = {n_z - 1 - z: w for z, w in zip(other.planes, other.weights)}
            assert bool(one) == bool(other)
            assert found.keys() == mirrored.keys()
            assert all(abs(found[z] - mirrored[z]) < 1e-6 for z in found)


any_float32 = st.floats(width=32, allow_nan=True, allow_infinity=True)
small_volumes = st.one_of(
    hnp.arrays("f4", hnp.array_shapes(min_dims=3, max_dims=3, max_side=20), elements=any_float32),
    hnp.arrays("i1", hnp.array_shapes(min_dims=3, max_dims=3, max_side=20)),
)


@given(small_volumes, st.sampled_from([0.5, 1.5, 4.0]))
@settings(deadline=None, max_examples=150)
def test_arbitrary_values_are_normalised_or_blank(volume, voxel_nm):
    volume = volume.astype("f4")
    z = len(volume) // 2
    plan = plan_slice(z, len(volume), voxel_nm)
    found = canonical_slice(volume.__getitem__, plan, voxel_nm)
    assert found.images.isfinite().all()
    assert 0 <= float(found.valid.min()) <= float(found.valid.max()) <= 1
    assert found.present[0]
    if found.blank:
        assert not found.images.any()
        return
    assert found.images.shape == (sum(found.present), *found.valid.shape)
    for octave in octaves(found, CPU):
        assert octave.images.isfinite().all() and octave.riesz.isfinite().all()
        assert float(octave.images.abs().max()) <= LIMIT + math.log1p(1e30)
        assert math.isfinite(octave.log_power)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(-40, 40),
    st.sampled_from([-1.0, 1.0]),
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=60),
)
@settings(deadline=None, max_examples=50)
def test_results_do_not_depend_on_gain_and_its_sign(seed, power, sign, shape):
    volume = np.random.default_rng(seed).gamma(2.0, size=(3, *shape)).astype("f4")
    changed = volume * np.float32(sign * 2.0**power)
    plan = plan_slice(1, 3, 1.5)
    one, other = (canonical_slice(v.__getitem__, plan, 1.5) for v in (volume, changed))
    sign_of_all = torch.tensor(sign, dtype=one.images.dtype)
    torch.testing.assert_close(one.images, sign_of_all * other.images, atol=2e-3, rtol=0)


@st.composite
def scored_slices(draw):
    """Slices of a volume with random curves and weights, and the number of planes."""
    z = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=8)))
    tiles = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=3))
    slices = []
    for plane in z:
        values = draw(hnp.arrays("f4", (*tiles, N_BANDS), elements=st.floats(-2, 2, width=32)))
        shares = st.floats(0, 1, width=32)
        content = draw(hnp.arrays("f4", (*tiles, N_BANDS), elements=shares))
        weight = draw(hnp.arrays("f4", tiles, elements=shares))
        slices.append(SliceCurves(plane, *map(torch.from_numpy, (values, content, weight))))
    return slices, z[-1] + 1 + draw(st.integers(0, 5))


@given(scored_slices(), voxels_nm)
@settings(deadline=None, max_examples=60)
def test_any_curves_give_a_score_within_its_interval_and_a_slab_within_the_volume(scored, voxel):
    slices, n_z = scored
    share = fraction_below_nyquist(voxel)
    found = summarise(slices, (0, n_z - 1), share, {"score": [0, 5], "sd": [0.3, 0.3]})
    low, high = found.interval
    assert 0 <= low <= found.score <= high <= N_SCORED
    assert 0 <= found.slab_z[0] <= found.slab_z[1] < n_z
    assert 0 <= found.content <= 1
    assert ((found.slice_scores >= 0) & (found.slice_scores <= N_SCORED)).all()


@given(small_volumes, st.sampled_from([3.0, 10.0, 15.0, 40.0]))
@settings(deadline=None, max_examples=40)
def test_any_volume_gets_a_record(scorer, volume, voxel_angstrom):
    score = scorer.score(volume, voxel_angstrom)
    assert score.status == "ok"
    assert score.shape_zyx == volume.shape
    assert score.to_json()


@given(
    st.one_of(st.binary(max_size=200), st.text().map(lambda t: b"\x20" + 7 * b"\0" + t.encode()))
)
@settings(deadline=None)
def test_arbitrary_bytes_are_a_weights_file_or_refused(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.safetensors")
        path.write_bytes(content)
        try:
            assert isinstance(read_card(path), dict)
        except StartError as error:
            assert str(error).startswith(f"{path}: ")

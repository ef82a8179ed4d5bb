# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of planes: inside the volume, and the same when the volume is mirrored in z."""

import numpy as np
import pytest

from tomoscore_scipion.model.sampling import (
    DISTANT_NM,
    FAR_NM,
    MAX_SLICE_PIXELS,
    MAX_SLICES,
    THICKNESS_NM,
    canonical_shape,
    mean_plane,
    plan_slice,
    plan_slices,
)
from tomoscore_scipion.records.errors import TomogramError

VOXELS_NM = (0.1, 0.3, 0.5, 0.75, 1.0, 1.3, 1.5, 2.0, 5.0, 50.0)
HEIGHTS = (1, 2, 3, 4, 5, 7, 10, 24, 25, 48, 61, 200)


def mirrored(plans, n_z):
    """Channels of plans, {plane: weight}, with planes numbered from the other side."""
    return [
        [{n_z - 1 - z: weight for z, weight in channel.items()} for channel in plan]
        for plan in reversed(listed(plans))
    ]


def listed(plans):
    return [[dict(zip(c.planes, c.weights)) for c in plan.channels] for plan in plans]


def middle(channel):
    """Mean z position of the planes of a channel."""
    return np.average(channel.planes, weights=channel.weights)


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
@pytest.mark.parametrize("n_z", HEIGHTS)
def test_plans_name_only_planes_of_the_volume(n_z, voxel_nm):
    plans = plan_slices(n_z, voxel_nm)
    assert 1 <= len(plans) <= MAX_SLICES
    for plan in plans:
        assert plan.centre
        assert set(plan.planes) <= set(range(n_z))
        assert plan.z in plan.centre.planes
        for channel in plan.channels:
            assert not channel or sum(channel.weights) == pytest.approx(1)


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
@pytest.mark.parametrize("n_z", HEIGHTS)
def test_each_slice_is_scored_once_from_bottom_to_top(n_z, voxel_nm):
    z = [plan.z for plan in plan_slices(n_z, voxel_nm)]
    assert z == sorted(set(z))


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
def test_a_volume_mirrored_in_z_is_sampled_at_the_same_planes(voxel_nm):
    for n_z in HEIGHTS:
        plans = plan_slices(n_z, voxel_nm)
        for found, turned in zip(listed(plans), mirrored(plans, n_z)):
            for channel, other in zip(found, turned):
                assert channel == pytest.approx(other), n_z


def test_slices_spread_over_the_whole_volume():
    z = np.array([plan.z for plan in plan_slices(200, 2.0)])
    assert len(z) == MAX_SLICES
    assert z[0] < 200 / MAX_SLICES
    assert np.ptp(np.diff(z)) <= 2


def test_every_slice_of_a_thin_volume_is_scored():
    assert [plan.z for plan in plan_slices(9, 2.0)] == list(range(9))


def test_planes_can_be_limited_to_a_range():
    z = [plan.z for plan in plan_slices(100, 1.5, z_range=(40, 60), max_slices=5)]
    assert len(z) == 5
    assert min(z) >= 40
    assert max(z) <= 60


@pytest.mark.parametrize(
    ("n_z", "expected"),
    [
        (1, [((0,), (), ())]),
        (2, [((0,), (1,), ()), ((1,), (0,), ())]),
        (3, [((0,), (1,), ()), ((1,), (0, 2), ()), ((2,), (1,), ())]),
        (5, [((0,), (1,), (3,)), ((1,), (0, 2), (4,)), ((2,), (1, 3), ())]),
    ],
)
def test_channels_without_planes_in_thin_volumes_are_absent(n_z, expected):
    found = [(p.centre.planes, p.near.planes, p.far.planes) for p in plan_slices(n_z, 2.0)]
    assert found[: len(expected)] == expected


@pytest.mark.parametrize("voxel_nm", [0.3, 0.5, 0.8, 1.0, 1.3, 1.5, 2.0])
def test_neighbours_lie_2_6_and_24_nm_away_for_any_voxel_size(voxel_nm):
    n_z = 2 * round(60 / voxel_nm) + 1
    plan = plan_slice(n_z // 2, n_z, voxel_nm)
    distances = (plan.near, THICKNESS_NM), (plan.far, FAR_NM), (plan.distant, DISTANT_NM)
    for channel, expected in distances:
        above = np.array(channel.planes) > n_z // 2
        side = np.average(np.array(channel.planes)[above], weights=np.array(channel.weights)[above])
        assert (side - middle(plan.centre)) * voxel_nm == pytest.approx(expected, abs=0.35)
        assert middle(channel) == pytest.approx(n_z // 2, abs=1e-6)


def test_neighbours_are_different_planes_in_coarse_volumes():
    plan = plan_slice(5, 11, 25.0)
    assert [c.planes for c in plan.channels] == [(5,), (4, 6), (3, 7), (2, 8)]


@pytest.mark.parametrize("voxel_nm", [0.1, 0.2, 0.3, 0.5, 0.8, 1.3])
def test_a_slice_is_2_nm_thick_in_finer_volumes(voxel_nm):
    plan = plan_slice(100, 201, voxel_nm)
    weights = np.array(plan.centre.weights)
    full = weights.max()
    assert weights.sum() / full * voxel_nm == pytest.approx(THICKNESS_NM, rel=0.15)
    planes = plan.centre.planes
    assert planes == tuple(range(planes[0], planes[-1] + 1))
    assert middle(plan.centre) == pytest.approx(100, abs=1e-6)


@pytest.mark.parametrize("voxel_nm", [2.0, 3.0, 100.0])
def test_voxels_of_2_nm_and_coarser_are_read_one_by_one(voxel_nm):
    assert all(len(plan.centre.planes) == 1 for plan in plan_slices(60, voxel_nm))


def test_a_field_too_wide_for_a_tomogram_is_an_error_about_the_voxel_size():
    edge = int(MAX_SLICE_PIXELS**0.5)
    assert canonical_shape(edge, edge, 1.5) == (edge, edge)
    with pytest.raises(TomogramError, match="is the voxel size right"):
        canonical_shape(edge, edge, 1.6)


def test_mean_of_planes_reads_each_once_and_changes_none():
    planes = [np.full((2, 3), value, dtype=np.float32) for value in (1, 2, 6)]
    reads = []

    def read(z):
        reads.append(z)
        return planes[z]

    np.testing.assert_allclose(mean_plane(read, (0, 1, 2)), np.full((2, 3), 3))
    np.testing.assert_array_equal(mean_plane(read, (1,)), planes[1])
    assert reads == [0, 1, 2, 1]
    weighted = mean_plane(read, (0, 2), (0.25, 0.75))
    np.testing.assert_allclose(weighted, np.full((2, 3), 4.75))
    assert [float(plane[0, 0]) for plane in planes] == [1, 2, 6]


@pytest.mark.parametrize(
    ("shape", "voxel_nm", "expected"),
    [
        ((100, 60), 1.5, (100, 60)),
        ((100, 60), 0.75, (50, 30)),
        ((100, 61), 3.0, (200, 122)),
        ((1, 1), 0.1, (1, 1)),
    ],
)
def test_canonical_shape_keeps_the_field_of_view(shape, voxel_nm, expected):
    assert canonical_shape(*shape, voxel_nm) == expected

# SPDX-License-Identifier: GPL-3.0-or-later
"""Which planes are read: never one outside, the same for a volume seen from the other side."""

import numpy as np
import pytest
import torch

from tomoscore_scipion.engine.sampling import (
    CANONICAL_NM,
    DISTANT_NM,
    FAR_NM,
    MAX_SLICES,
    canonical_shape,
    mean_plane,
    plan_slice,
    plan_slices,
    planes_per_slice,
    resample,
)

VOXELS_NM = (0.1, 0.3, 0.5, 0.75, 1.0, 1.3, 1.5, 2.0, 5.0, 50.0)
HEIGHTS = (1, 2, 3, 4, 5, 7, 10, 24, 25, 48, 61, 200)


def mirrored(plans, n_z):
    """Plans of the same planes, numbered from the other side."""

    return [
        [sorted(n_z - 1 - z for z in planes) for planes in (plan.centre, *plan.neighbours)]
        for plan in reversed(plans)
    ]


def listed(plans):
    return [[sorted(planes) for planes in (plan.centre, *plan.neighbours)] for plan in plans]


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
@pytest.mark.parametrize("n_z", HEIGHTS)
def test_plans_name_only_planes_of_the_volume(n_z, voxel_nm):
    plans = plan_slices(n_z, voxel_nm)
    assert 1 <= len(plans) <= MAX_SLICES
    for plan in plans:
        assert plan.centre
        assert set(plan.planes) <= set(range(n_z))
        assert plan.z in plan.centre


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
@pytest.mark.parametrize("n_z", HEIGHTS)
def test_each_slice_is_scored_once_from_bottom_to_top(n_z, voxel_nm):
    z = [plan.z for plan in plan_slices(n_z, voxel_nm)]
    assert z == sorted(set(z))


@pytest.mark.parametrize("voxel_nm", VOXELS_NM)
def test_a_volume_seen_from_the_other_side_is_read_at_the_same_planes(voxel_nm):
    for n_z in HEIGHTS:
        plans = plan_slices(n_z, voxel_nm)
        assert listed(plans) == mirrored(plans, n_z), n_z


def test_slices_spread_over_the_whole_volume():
    z = np.array([plan.z for plan in plan_slices(200, 1.5)])
    assert len(z) == MAX_SLICES
    assert z[0] < 200 / MAX_SLICES
    assert np.ptp(np.diff(z)) <= 2


def test_every_slice_of_a_volume_of_few_is_scored():
    assert [plan.z for plan in plan_slices(9, 1.5)] == list(range(9))


def test_a_range_of_planes_can_be_asked_for():
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
    ],
)
def test_channels_of_thin_volumes_are_absent_where_planes_are(n_z, expected):
    assert [(p.centre, p.near, p.far) for p in plan_slices(n_z, 1.5)] == expected


@pytest.mark.parametrize("voxel_nm", [0.5, 0.8, 1.5, 2.0])
def test_far_and_distant_neighbours_lie_about_6_and_24_nm_away(voxel_nm):
    plan = plan_slice(50, 101, voxel_nm)
    for planes, expected in ((plan.far, FAR_NM), (plan.distant, DISTANT_NM)):
        distance = np.mean([z for z in planes if z > 50]) - np.mean(plan.centre)
        assert distance * voxel_nm == pytest.approx(expected, abs=voxel_nm)


def test_neighbours_are_different_planes_in_coarse_volumes():
    plan = plan_slice(5, 11, 25.0)
    assert plan.neighbours == ((4, 6), (3, 7), (2, 8))


@pytest.mark.parametrize("voxel_nm", [0.1, 0.2, 0.3, 0.5])
def test_fine_voxels_are_averaged_over_about_the_canonical_thickness(voxel_nm):
    plan = plan_slice(100, 201, voxel_nm)
    assert len(plan.centre) * voxel_nm == pytest.approx(CANONICAL_NM, rel=0.1)
    assert plan.centre == tuple(range(plan.centre[0], plan.centre[-1] + 1))
    assert np.mean(plan.centre) == pytest.approx(100, abs=0.5)
    assert not set(plan.centre) & set(plan.near + plan.far + plan.distant)
    assert not set(plan.near) & set(plan.far)


@pytest.mark.parametrize("voxel_nm", [1.5, 3.0, 100.0])
def test_voxels_of_the_canonical_size_and_coarser_are_read_one_by_one(voxel_nm):
    assert planes_per_slice(voxel_nm) == 1


def test_slices_do_not_share_planes_while_there_are_enough():
    used = [z for plan in plan_slices(300, 0.5) for z in plan.centre]
    assert len(used) == len(set(used))


def test_mean_of_planes_reads_each_once_and_changes_none():
    planes = [np.full((2, 3), value, dtype=np.float32) for value in (1, 2, 6)]
    reads = []

    def read(z):
        reads.append(z)
        return planes[z]

    np.testing.assert_allclose(mean_plane(read, (0, 1, 2)), np.full((2, 3), 3))
    np.testing.assert_array_equal(mean_plane(read, (1,)), planes[1])
    assert reads == [0, 1, 2, 1]
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


def test_resampling_to_the_same_shape_leaves_the_images_alone():
    images = torch.randn(2, 5, 7)
    assert resample(images, (5, 7)) is images


def test_resampling_keeps_what_is_coarser_than_both_pixels():
    x = (torch.arange(240) + 0.5) / 240
    wave = torch.sin(2 * torch.pi * 5 * x).expand(3, 240, 240)
    small = resample(wave, (80, 80))
    expected = torch.sin(2 * torch.pi * 5 * (torch.arange(80) + 0.5) / 80)
    assert float((small - expected)[:, :, 3:-3].abs().max()) < 0.03
    assert float((resample(small, (240, 240)) - wave)[:, :, 9:-9].abs().max()) < 0.06


def test_downsampling_does_not_alias_what_is_finer_than_the_new_pixel():
    stripes = torch.tensor([1.0, -1.0]).repeat(120).expand(1, 240, 240)
    assert float(resample(stripes, (90, 90))[:, :, 4:-4].abs().max()) < 0.1

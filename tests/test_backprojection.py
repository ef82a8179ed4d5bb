# SPDX-License-Identifier: GPL-3.0-or-later
"""Weighted back-projection: geometry, scale, linearity."""

import numpy as np
import pytest
import torch
from skimage.transform import iradon

from tomoscore_scipion.tomography import backprojection
from tomoscore_scipion.tomography.backprojection import (
    RadialFilter,
    Sheared,
    backproject,
    backproject_slabs,
    filter_projections,
    slabs_at,
    view_weights,
)

ANGLES = np.arange(-60.0, 61.0, 3.0)


def blob_projections(centre_zyx, shape_yx, angles=ANGLES, sigma=1.5):
    """Exact projections of a Gaussian blob of integral 1, centred relative to the volume centre."""
    z, y, x = centre_zyx
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in shape_yx)
    views = []
    for angle in np.deg2rad(angles):
        column = x * np.cos(angle) + z * np.sin(angle)
        profile_x = np.exp(-((columns - column) ** 2) / (2 * sigma**2))
        profile_y = np.exp(-((rows - y) ** 2) / (2 * sigma**2))
        views.append(profile_y[:, None] * profile_x[None, :] / (2 * np.pi * sigma**2))
    return torch.from_numpy(np.stack(views).astype(np.float32))


def peak(volume):
    """Position of the maximum relative to the centre, from parabolas through its neighbours."""
    volume = volume.numpy()
    top = np.unravel_index(volume.argmax(), volume.shape)
    place = []
    for axis, index in enumerate(top):
        line = np.moveaxis(volume, axis, 0)[(slice(None), *np.delete(top, axis))]
        below, at, above = line[index - 1 : index + 2]
        offset = (below - above) / (2 * (below - 2 * at + above))
        place.append(index + offset - (volume.shape[axis] - 1) / 2)
    return np.array(place)


@pytest.mark.parametrize(
    "centre_zyx",
    [(0, 0, 0), (5, 0, 0), (-6.3, 4.2, 0), (4.5, -3, 11.25), (-7, 6.6, -14.4), (8.2, 0, -10)],
)
@pytest.mark.parametrize("size", [(24, 31, 64), (25, 32, 65)])
def test_a_point_is_reconstructed_at_its_position(centre_zyx, size):
    volume = backproject(blob_projections(centre_zyx, size[1:]), ANGLES, shape_zyx=size)
    np.testing.assert_allclose(peak(volume), centre_zyx, atol=0.1)


def test_negated_angles_reverse_z_only():
    views = blob_projections((5, 2, 7), (31, 64))
    volume = backproject(views, ANGLES, shape_zyx=(24, 31, 64))
    reversed_z = backproject(views, -ANGLES, shape_zyx=(24, 31, 64))
    torch.testing.assert_close(reversed_z, volume.flip(0), atol=1e-5, rtol=1e-4)


def test_volume_may_be_wider_than_the_images():
    volume = backproject(blob_projections((3, 0, -9), (16, 41)), ANGLES, shape_zyx=(20, 16, 72))
    np.testing.assert_allclose(peak(volume), (3, 0, -9), atol=0.1)


def test_density_is_linear():
    first = blob_projections((5, 0, 3), (16, 48))
    second = blob_projections((-4, 2, -8), (16, 48))
    both = backproject(2 * first - 3 * second, ANGLES, shape_zyx=(20, 16, 48))
    parts = [backproject(views, ANGLES, shape_zyx=(20, 16, 48)) for views in (first, second)]
    torch.testing.assert_close(both, 2 * parts[0] - 3 * parts[1], atol=1e-6, rtol=1e-4)


def test_tilts_over_180_degrees_reconstruct_the_density():
    angles = np.arange(0.0, 180.0, 2.0)
    views = blob_projections((4, 1, -6), (33, 64), angles, sigma=3.0)
    volume = backproject(views, angles, shape_zyx=(48, 33, 64), radial_filter=RadialFilter(1.0))
    z, y, x = np.meshgrid(
        *(np.arange(n) - (n - 1) / 2 for n in volume.shape), indexing="ij", sparse=True
    )
    distance2 = (z - 4) ** 2 + (y - 1) ** 2 + (x + 6) ** 2
    truth = np.exp(-distance2 / (2 * 3.0**2)) / (2 * np.pi * 3.0**2) ** 1.5
    # Linear interpolation lowers the maximum of this blob by 2 %.
    assert np.abs(volume.numpy() - truth).max() < 0.025 * truth.max()
    assert volume.sum().item() == pytest.approx(1.0, abs=0.03)


def test_agrees_with_scikit_image_in_two_dimensions():
    angles = np.arange(0.0, 180.0, 3.0)
    sinogram = np.random.default_rng(0).normal(size=(angles.size, 65)).astype(np.float32)
    sinogram *= np.hanning(65)[None].astype(np.float32)
    expected = iradon(sinogram.T.astype(np.float64), theta=angles, filter_name="ramp")
    views = torch.from_numpy(sinogram)[:, None, :]
    volume = backproject(views, angles, shape_zyx=(65, 1, 65), radial_filter=RadialFilter(1.0))
    # The second axis of iradon points in the opposite direction.
    ours = volume[:, 0].numpy()[::-1]
    inside = np.hypot(*np.mgrid[-32:33, -32:33]) < 31
    np.testing.assert_allclose(ours[inside], expected[inside], atol=1e-4 * expected.max())


def test_a_projection_adds_zero_outside_its_field():
    volume = backproject(torch.ones(1, 4, 9), [60.0], shape_zyx=(41, 4, 9))
    column = np.sin(np.deg2rad(60)) * (np.arange(41) - 20)[:, None]
    column = column + np.cos(np.deg2rad(60)) * (np.arange(9) - 4)[None]
    assert torch.all(volume[:, 0][torch.from_numpy(np.abs(column) >= 5)] == 0)
    assert torch.all(volume[:, 0][torch.from_numpy(np.abs(column) <= 4)] != 0)


def test_single_slices_equal_those_of_the_whole_volume():
    views = torch.from_numpy(np.random.default_rng(1).normal(size=(41, 8, 40)).astype(np.float32))
    whole = backproject(views, ANGLES, shape_zyx=(21, 8, 40))
    some = backproject(views, ANGLES, shape_zyx=(21, 8, 40), z_positions=[17, 3])
    torch.testing.assert_close(some, whole[[17, 3]])


def test_slices_can_lie_at_fractional_positions():
    views = blob_projections((0.5, 0, 0), (9, 32))
    at = backproject(views, ANGLES, shape_zyx=(21, 9, 32), z_positions=[9.5, 10.5, 11.5])
    assert at[:, 4].amax(dim=1).argmax() == 1


def planes_at(views, geometry, heights, n_x):
    return torch.cat(list(slabs_at(views, geometry, np.asarray(heights, dtype=float), n_x)))


@pytest.mark.parametrize("per_pixel", [1, 2, 3])
def test_sheared_views_are_interpolated_and_wrap_around(per_pixel):
    rows = np.random.default_rng(3).normal(size=40 * per_pixel).astype(np.float32)
    views, heights = torch.from_numpy(rows)[None, :, None], [-7.5, 0.0, 3.2, 90.0]
    planes = planes_at(views, Sheared([30.0]), heights, 40)[:, 0]
    for plane, height in zip(planes, heights):
        place = per_pixel * (np.arange(40) + height * np.tan(np.deg2rad(30)))
        expected = np.interp(place, np.arange(rows.size), rows, period=rows.size)
        np.testing.assert_allclose(plane, expected, atol=1e-5)


def test_sheared_views_displace_planes_and_wrap_around():
    views = torch.zeros((1, 16, 1))
    views[0, 3] = 1.0
    geometry = Sheared([45.0])
    planes = planes_at(views, geometry, [0.0, 2.0, 4.5, -13.0], 16)[:, 0]
    assert planes.argmax(dim=1)[[0, 1, 3]].tolist() == [3, 1, 0]
    assert planes[2].nonzero().ravel().tolist() == [14, 15]


def test_a_point_in_sheared_views_is_reconstructed_at_its_position():
    z, x = 6, 9  # from the middle of 41 x 64
    columns = np.arange(64) - 32
    sheared = np.stack(
        [np.exp(-((columns - x - z * t) ** 2) / 4) for t in np.tan(np.deg2rad(ANGLES))]
    )
    views = torch.from_numpy(sheared.astype(np.float32))[:, :, None]
    volume = planes_at(views, Sheared(ANGLES), np.arange(-20, 21), 64)[:, 0]
    assert np.unravel_index(int(volume.argmax()), (41, 64)) == (20 + z, 32 + x)


def test_slabs_of_any_size_give_the_same_volume(monkeypatch):
    views = torch.from_numpy(np.random.default_rng(2).normal(size=(41, 8, 40)).astype(np.float32))
    whole = backproject(views, ANGLES, shape_zyx=(21, 8, 40))
    monkeypatch.setitem(backprojection.SLAB_BYTES, "cpu", 3 * 4 * 8 * 40)
    filtered = filter_projections(views, ANGLES)
    slabs = list(backproject_slabs(filtered, ANGLES, (21, 8, 40)))
    assert [len(z) for z, _ in slabs] == [3] * 7
    torch.testing.assert_close(torch.cat([slab for _, slab in slabs]), whole)


def test_result_is_float32_on_the_device_of_the_images():
    volume = backproject(torch.zeros(3, 4, 8, dtype=torch.float64), [0, 3, 6], shape_zyx=(5, 4, 8))
    assert volume.dtype == torch.float32
    meta = filter_projections(torch.zeros(3, 4, 8, device="meta"), [0, 3, 6])
    assert meta.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_volume():
    views = blob_projections((5, 2, 7), (31, 64))
    on_cpu = backproject(views, ANGLES, shape_zyx=(24, 31, 64))
    on_gpu = backproject(views.cuda(), ANGLES, shape_zyx=(24, 31, 64))
    assert on_gpu.is_cuda
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, atol=1e-6, rtol=1e-4)


def test_view_weights_are_the_angular_spacing():
    np.testing.assert_allclose(np.rad2deg(view_weights([0, 3, 6, 9])), 3.0)
    np.testing.assert_allclose(np.rad2deg(view_weights([9, 0, 3])), [6, 3, 4.5])
    np.testing.assert_allclose(np.rad2deg(view_weights([-3, 0, 0, 3])), [3, 1.5, 1.5, 3])
    np.testing.assert_allclose(view_weights([12.0]), 1.0)


def test_a_repeated_view_does_not_change_the_volume():
    views = blob_projections((5, 2, 7), (9, 48))
    once = backproject(views, ANGLES, shape_zyx=(20, 9, 48))
    twice = backproject(
        torch.cat([views, views[20:21]]), np.append(ANGLES, 0.0), shape_zyx=(20, 9, 48)
    )
    torch.testing.assert_close(twice, once, atol=1e-6, rtol=1e-4)


def response(n=1024, **settings):
    frequency = np.arange(n // 2 + 1) / n
    return frequency, RadialFilter(**settings).response(n).numpy()


def test_filter_is_a_ramp_up_to_the_cutoff():
    frequency, values = response(cutoff=0.3, falloff=0.05)
    below = (frequency > 0.02) & (frequency <= 0.3)
    np.testing.assert_allclose(values[below], frequency[below], rtol=0.01)


@pytest.mark.parametrize(
    ("shape", "one_width", "two_widths"),
    [("gaussian", np.exp(-0.5), np.exp(-2.0)), ("cosine", 0.0, 0.0)],
)
def test_filter_rolls_off_beyond_the_cutoff(shape, one_width, two_widths):
    frequency, values = response(n=1000, cutoff=0.3, falloff=0.05, shape=shape)
    np.testing.assert_allclose(values[350] / frequency[350], one_width, atol=0.01)
    np.testing.assert_allclose(values[400] / frequency[400], two_widths, atol=0.01)
    assert np.all(np.diff(values[310:] / frequency[310:]) <= 1e-9)


def test_filter_without_a_falloff_cuts_sharply():
    frequency, values = response(cutoff=0.25, falloff=0)
    assert np.all(values[frequency > 0.25] == 0)
    assert values[frequency <= 0.25][-1] > 0.24


def test_sirt_like_filter_approaches_the_ramp_with_more_iterations():
    frequency, ramp = response(cutoff=1.0)
    few, many = (response(cutoff=1.0, sirt_iterations=n)[1] for n in (5, 200))
    assert np.all(few <= many + 1e-12)
    assert np.all(many <= ramp + 1e-12)
    middle = frequency.searchsorted(0.25)
    assert few[middle] / ramp[middle] == pytest.approx(5 * 0.00195 / 0.25, rel=0.05)


@pytest.mark.parametrize(
    "settings", [{"cutoff": 0}, {"falloff": -0.1}, {"shape": "box"}, {"sirt_iterations": -1}]
)
def test_invalid_filter_settings_are_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        RadialFilter(**settings)


@pytest.mark.parametrize(
    ("images", "angles", "shape_zyx", "message"),
    [
        ((3, 4, 8), [0.0, 1.0], (5, 4, 8), "2 angles"),
        ((4, 8), [0.0] * 4, (5, 4, 8), r"\(4, 8\)"),
        ((3, 4, 8), [0.0, 1.0, 2.0], (5, 6, 8), r"\(5, 6, 8\)"),
        ((3, 4, 8), [1.0, 1.0, 1.0], (5, 4, 8), "same angle"),
        ((0, 4, 8), [], (5, 4, 8), "one angle per view"),
    ],
)
def test_images_angles_and_shapes_that_do_not_match_are_refused(images, angles, shape_zyx, message):
    with pytest.raises(ValueError, match=message):
        backproject(torch.zeros(images), angles, shape_zyx=shape_zyx)

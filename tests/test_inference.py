# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of slices of any size and orientation; too little memory is an error."""

import numpy as np
import pytest
import torch
from small_model import CPU, canonical, random_network, speckle

from tomoscore_scipion.model import inference
from tomoscore_scipion.model.inference import Predictor
from tomoscore_scipion.model.octaves import OCTAVES
from tomoscore_scipion.model.statistics import MEANS, PERSISTENCE
from tomoscore_scipion.records.bands import N_BANDS
from tomoscore_scipion.records.errors import TomogramError

PREDICTOR = Predictor(random_network(), CPU)


def measured(volume, z=None):
    return PREDICTOR.measure(canonical(volume, z=z))


def curves(volume):
    """SliceCurves of a volume with one scored slice."""
    return PREDICTOR.curves([measured(volume)])[0]


@pytest.mark.parametrize("turn", ["flip y", "flip x", "swap", "quarter"])
def test_flips_and_rotations_of_a_slice_flip_and_rotate_its_curves(turn):
    turned = {
        "flip y": lambda a: np.flip(a, -2),
        "flip x": lambda a: np.flip(a, -1),
        "swap": lambda a: np.swapaxes(a, -1, -2),
        "quarter": lambda a: np.rot90(a, axes=(-2, -1)),
    }[turn]
    volume = speckle((3, 160, 224))
    volume[:, :40, :70] = 0
    original, found = curves(volume), curves(turned(volume).copy())
    for name in ("curves", "content"):
        expected = turned(getattr(original, name).permute(2, 0, 1).numpy())
        values = getattr(found, name).permute(2, 0, 1).numpy()
        np.testing.assert_allclose(values, expected, atol=5e-3)
    np.testing.assert_allclose(found.weight, turned(original.weight.numpy()), atol=1e-5)


def test_curves_of_a_slice_depend_on_the_other_slices():
    loud = measured(speckle((3, 160, 224)))
    other = measured(0.1 * speckle((3, 160, 224), seed=1))
    alone = PREDICTOR.curves([loud])[0].curves
    beside = PREDICTOR.curves([loud, other])
    assert [found.z for found in beside] == [1, 1]
    assert float((beside[0].curves - alone).abs().max()) > 1e-3
    twice = PREDICTOR.curves([loud, loud])[1].curves
    torch.testing.assert_close(twice, alone, atol=1e-4, rtol=0)


def test_blank_slices_do_not_affect_the_others():
    seen, blank = measured(speckle((3, 160, 224))), measured(np.zeros((3, 160, 224)))
    assert blank.blank and not seen.blank
    found = PREDICTOR.curves([blank, seen, blank])
    torch.testing.assert_close(found[1].curves, PREDICTOR.curves([seen])[0].curves)
    for piece in (found[0], found[2]):
        assert not piece.curves.any()
        assert not piece.content.any()
        assert not piece.weight.any()
        assert piece.curves.shape == found[1].curves.shape
    assert PREDICTOR.curves([blank])[0].curves.shape == found[1].curves.shape


def test_blank_slices_are_not_out_of_distribution():
    assert PREDICTOR.out_of_distribution([measured(np.zeros((3, 64, 64)))]) == 0


def test_weight_is_the_valid_fraction_of_the_middle_of_a_tile():
    volume = speckle((3, 160, 224))
    volume[:, :, 112:] = 0
    weight = measured(volume).weight
    assert float(weight[:, 0].min()) == 1
    assert float(weight[:, -1].max()) == 0
    assert ((weight >= 0) & (weight <= 1)).all()


@pytest.mark.parametrize(
    ("shape", "tiles"),
    [((1, 1), (1, 1)), ((64, 64), (1, 1)), ((65, 40), (2, 1)), ((100, 96), (3, 2))],
)
def test_tiles_are_centred_on_the_inner_corners_of_cells(shape, tiles):
    found = measured(speckle((3, *shape)))
    assert found.weight.shape == tiles
    assert found.means.shape == (*tiles, OCTAVES, len(MEANS))
    assert found.log_power.shape == (OCTAVES,)
    assert found.persistence.shape == (OCTAVES, PERSISTENCE)
    answered = PREDICTOR.curves([found])[0]
    assert answered.curves.shape == answered.content.shape == (*tiles, N_BANDS)
    assert answered.curves.isfinite().all()


def test_the_empty_part_of_a_slice_does_not_affect_distant_tiles():
    whole = speckle((3, 192, 480))
    cut = whole.copy()
    cut[:, :, 352:] = 0
    found, expected = (PREDICTOR.measure(canonical(v)).means[:, :6] for v in (cut, whole))
    found, expected = (np.log10(m[..., :3, MEANS.index("energy_2")]) for m in (found, expected))
    assert float((found - expected).abs().mean()) < 0.1


def test_too_little_memory_is_an_error_with_a_solution(monkeypatch):
    def failing(piece, device):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(inference, "measure", failing)
    with pytest.raises(TomogramError, match="slices of 160 x 224 pixels; free the GPU, or use"):
        measured(speckle((3, 160, 224)))

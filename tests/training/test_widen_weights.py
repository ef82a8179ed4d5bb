# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that knew fewer statistics say the same once they are widened, whatever the new ones."""

from pathlib import Path

import pytest
import torch

from tomoscore_scipion.engine.network import ResolvabilityNet
from tomoscore_scipion.engine.sampling import CHANNELS
from tomoscore_scipion.engine.texture import N_FEATURES

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FLAGS = CHANNELS - 1


@pytest.fixture
def widen_weights(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import widen_weights

    return widen_weights


def without_the_new(state, known):
    """A state as a network of the known statistics only has it."""
    narrow = {name: value.clone() for name, value in state.items()}
    for name in ("mean", "std", "least", "most"):
        narrow[name] = state[name][known]
    narrow["look.weight"] = state["look.weight"][:, known]
    return narrow


def test_widened_weights_do_not_look_at_the_new_statistics(widen_weights):
    torch.manual_seed(0)
    old, wide = ResolvabilityNet().eval(), ResolvabilityNet().eval()
    first = widen_weights.OLD_FEATURES - FLAGS
    new = slice(first, N_FEATURES - FLAGS)
    known = [*range(first), *range(N_FEATURES - FLAGS, N_FEATURES)]
    with torch.no_grad():
        old.look.weight[:, new] = 0
        old.mean.normal_()
    widen_weights.widen(wide, without_the_new(old.state_dict(), known))
    features, weight, level = (
        torch.randn(2, 3, 4, N_FEATURES),
        torch.ones(2, 3, 4),
        torch.zeros(2, 3),
    )
    expected = old(features, weight, level)
    torch.testing.assert_close(wide(features, weight, level), expected)
    features[..., new] += 3
    torch.testing.assert_close(wide(features, weight, level), expected)


def test_what_is_familiar_is_what_either_training_held(widen_weights):
    wide, old = ResolvabilityNet(), ResolvabilityNet()
    for network, least, most in ((wide, -2.0, 1.0), (old, -1.0, 5.0)):
        network.least.fill_(least)
        network.most.fill_(most)
    known = [*range(widen_weights.OLD_FEATURES - FLAGS), *range(N_FEATURES - FLAGS, N_FEATURES)]
    widen_weights.widen(wide, without_the_new(old.state_dict(), known))
    assert set(wide.least.tolist()) == {-2.0}
    assert wide.most[known].tolist() == [5.0] * len(known)
    assert float(wide.most[known[-1] - FLAGS]) == 1.0

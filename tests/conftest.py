# SPDX-License-Identifier: GPL-3.0-or-later
"""A scorer that is there without training, for what does not depend on the numbers."""

import signal

import pytest


def pytest_configure():
    """Let Ctrl-C interrupt in the background too, where a shell has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """Path of weights that are valid in every respect and know nothing."""
    from small_model import CARD, random_network

    from tomoscore_scipion.model.weights import save_weights

    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, random_network(), CARD)
    return path


@pytest.fixture(scope="session")
def scorer(random_weights):
    """A scorer with these weights on the CPU."""
    from tomoscore_scipion.model.scorer import Scorer

    return Scorer.load(random_weights, device="cpu")

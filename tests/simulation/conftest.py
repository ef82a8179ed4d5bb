# SPDX-License-Identifier: GPL-3.0-or-later
"""Run these tests on one thread: with their small arrays, more threads make them slower."""

import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

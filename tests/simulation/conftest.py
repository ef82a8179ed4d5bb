# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests work on small arrays: more threads than one only get in each other's way."""

import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

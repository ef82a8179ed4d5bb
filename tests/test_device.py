# SPDX-License-Identifier: GPL-3.0-or-later
"""The device is the requested one, or a notice or an error is given."""

import pytest
import torch

from tomoscore_scipion.model.device import resolve_device
from tomoscore_scipion.records.errors import StartError


@pytest.fixture
def gpus(monkeypatch):
    """Function that sets the number of GPUs that torch finds."""

    def set_count(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return set_count


def test_cpu_is_used_although_gpus_are_available(gpus):
    gpus(2)
    assert resolve_device("cpu") == (torch.device("cpu"), [])


def test_auto_takes_the_first_gpu(gpus):
    gpus(2)
    assert resolve_device("auto") == (torch.device("cuda:0"), [])


def test_auto_without_a_gpu_uses_the_cpu_with_a_notice(gpus):
    gpus(0)
    device, notices = resolve_device("auto")
    assert device == torch.device("cpu")
    assert notices == ["no GPU that torch can use: scoring on the CPU"]


@pytest.mark.parametrize(("name", "index"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_an_available_gpu_is_used(gpus, name, index):
    gpus(2)
    assert resolve_device(name) == (torch.device("cuda", index), [])


@pytest.mark.parametrize(
    ("count", "name", "found"),
    [
        (0, "cuda", "no GPU that torch can use"),
        (0, "cuda:7", "no GPU that torch can use"),
        (2, "cuda:7", "2 visible GPUs"),
        (2, "cuda:99999999999999999999", "2 visible GPUs"),
    ],
)
def test_a_missing_gpu_is_refused_with_a_solution(gpus, count, name, found):
    gpus(count)
    with pytest.raises(StartError, match=f"device {name}: found {found}; use --device cpu"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:0;ls", "mps", "cpu "])
def test_unknown_device_names_are_refused(gpus, name):
    gpus(2)
    with pytest.raises(StartError, match="expected auto, cpu or cuda:N"):
        resolve_device(name)

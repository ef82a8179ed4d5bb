# SPDX-License-Identifier: GPL-3.0-or-later
"""Choice of the device, made once when the weights are loaded."""

from __future__ import annotations

import re

import torch

from tomoscore_scipion.records.errors import StartError


def resolve_device(name: str) -> tuple[torch.device, list[str]]:
    """The device of a name, and messages to the user about the choice.

    Args:
        name: "cpu", "cuda", "cuda:N" or "auto"; "auto" is the first GPU, or the CPU without one.

    Raises:
        StartError: the name is invalid, or the device is not available.
    """
    if name == "cpu":
        return torch.device("cpu"), []
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0"), []
        return torch.device("cpu"), ["no GPU that torch can use: scoring on the CPU"]
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise StartError(f"device: expected auto, cpu or cuda:N, got {name!r}")
    index = int(name.partition(":")[2] or 0)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index >= count:
        available = f"{count} visible GPUs" if count else "no GPU that torch can use"
        raise StartError(
            f"device {name}: found {available}; use --device cpu or auto, or check the driver, "
            "CUDA_VISIBLE_DEVICES, and that torch is a CUDA build"
        )
    return torch.device("cuda", index), []

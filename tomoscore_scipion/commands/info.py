# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore info`: versions, weights and devices, without loading torch."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from argparse import Namespace
from importlib import metadata
from typing import Any

from tomoscore_scipion import __version__
from tomoscore_scipion.model.weights import read_card, sha256_of, shipped_weights_path
from tomoscore_scipion.records.bands import SCORE_DEFINITION
from tomoscore_scipion.records.errors import StartError

PACKAGES = ("torch", "numpy", "mrcfile", "safetensors")
NVIDIA_SMI_TIMEOUT_S = 2.0


def main(args: Namespace) -> int:
    """Print versions, weights and devices. Returns 1 if the weights cannot be used."""
    info = collect()
    print(json.dumps(info, indent=2) if args.json else as_text(info))
    return 0 if info["weights"]["error"] is None else 1


def collect() -> dict[str, Any]:
    """All that `info` prints, as a JSON object."""
    versions = {name: _version_of(name) for name in PACKAGES}
    gpus, gpu_error = list_gpus()
    return {
        "version": __version__,
        "score_definition": SCORE_DEFINITION,
        "weights": _weights(),
        "python": platform.python_version(),
        "packages": versions,
        "devices": [{"device": "cpu", "name": f"{count_cores()} cores"}, *gpus],
        "gpu_error": gpu_error or _cpu_build(versions["torch"], gpus),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _version_of(package: str) -> str | None:
    """The installed version of a package, without importing it; None when not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _weights() -> dict[str, Any]:
    """The shipped weights and the metrics of their card, or the error that they give."""
    weights: dict[str, Any] = dict.fromkeys(("path", "name", "version", "sha256", "bytes"))
    weights.update(metrics=None, error=None)
    try:
        path = shipped_weights_path()
        card = read_card(path)
        weights.update(path=str(path), sha256=sha256_of(path), bytes=os.path.getsize(path))
        weights.update(name=card["name"], version=card["version"], metrics=card.get("metrics"))
    except StartError as error:
        weights["error"] = str(error)
    return weights


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def list_gpus() -> tuple:
    """The NVIDIA GPUs that the driver lists, whether or not torch can use them.

    Returns:
        A list of {"device", "name"}, and the reason if it cannot be made, else None.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return [], None
    try:
        answer = subprocess.run(
            [program, "-L"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=NVIDIA_SMI_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi gave no answer: {error}"
    text = answer.stdout.decode("utf-8", "replace")
    if answer.returncode != 0:
        return [], f"nvidia-smi failed: {' '.join(text.split())}"
    gpus = re.findall(r"^GPU (\d+): (.+?)(?: \(UUID: .*\))?\s*$", text, re.MULTILINE)
    return [{"device": f"cuda:{number}", "name": name} for number, name in gpus], None


def _cpu_build(torch_version: str | None, gpus: list[dict]) -> str | None:
    if gpus and torch_version and torch_version.endswith("+cpu"):
        return f"torch {torch_version} is a build without CUDA: it cannot use the GPU"
    return None


def as_text(info: dict[str, Any]) -> str:
    """The result of `collect` as text."""
    weights = info["weights"]
    lines = [f"tomoscore    {info['version']}"]
    if weights["error"] is not None:
        lines.append(f"weights      not usable: {weights['error']}")
    else:
        size = f"{weights['bytes'] / 1e6:.1f} MB"
        lines += [
            f"weights      {weights['name']} {weights['version']}, {size}",
            f"             {weights['path']}",
            f"             sha256 {weights['sha256']}",
        ]
        for name, value in (weights["metrics"] or {}).items():
            shown = value if isinstance(value, (str, int, float)) else json.dumps(value)
            lines.append(f"             {name}: {shown}")
    lines.append(f"score        {info['score_definition']}")
    lines.append(f"python       {info['python']}")
    lines += [
        f"{name:12} {version or 'not installed'}" for name, version in info["packages"].items()
    ]
    lines += [f"device       {device['device']}: {device['name']}" for device in info["devices"]]
    if info["cuda_visible_devices"] is not None:
        visible = info["cuda_visible_devices"]
        lines.append(f"             CUDA_VISIBLE_DEVICES={visible}: cuda:N counts only these")
    if info["gpu_error"]:
        lines.append(f"             {info['gpu_error']}")
    return "\n".join(lines)

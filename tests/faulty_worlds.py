# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command without root's permissions, without a network or with a small disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOMOSCORE = [sys.executable, "-m", "tomoscore_scipion.engine"]
FAKE = [sys.executable, str(ROOT / "tests" / "scoring_fakes.py")]
"""The command line with a scorer that has no network and never loads torch."""

TIMEOUT_S = 900
"""Time limit of a command, long enough for a busy machine."""


def run(command, **options):
    """Run a command and wait for its end."""
    return subprocess.run(
        [str(word) for word in command],
        **{
            "capture_output": True,
            "text": True,
            "stdin": subprocess.DEVNULL,
            "timeout": TIMEOUT_S,
            **options,
            "env": {**os.environ, "PYTHONPATH": str(ROOT), **options.get("env", {})},
        },
    )


def unprivileged(command):
    """The command without root's capabilities, so that file permissions apply to it."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]


def in_namespace(*kinds):
    """Prefix that runs a command in new namespaces; skips the test if they are forbidden."""
    start = ["unshare", "--map-root-user", *kinds, "--"]
    if subprocess.run([*start, "true"], capture_output=True).returncode != 0:
        pytest.skip(f"this system allows no {' '.join(kinds)} namespace")
    return start


def on_small_disk(folder, size, command, keep):
    """The command with a small disk, of a size such as "16k", mounted on a folder.

    The files on the disk are copied to the folder `keep` when the command has ended.
    """
    script = (
        'mount -t tmpfs -o size="$1" none "$2"; keep=$3; disk=$2; shift 3; "$@"; status=$?; '
        'cp -a "$disk"/. "$keep"; exit $status'
    )
    start = in_namespace("--mount")
    return [*start, "sh", "-c", script, "sh", size, folder, keep, *command]

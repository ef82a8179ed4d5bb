# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of the folder benchmarks as modules."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    """A function that imports a script of the folder benchmarks by its name."""
    with pytest.MonkeyPatch.context() as patch:

        def imported(name):
            spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
            module = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, name, module)
            spec.loader.exec_module(module)
            return module

        yield imported

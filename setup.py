# SPDX-License-Identifier: GPL-3.0-or-later
"""Build script of the distribution scipion-em-tomoscore."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def version():
    """The version in tomoscore_scipion/__init__.py, read without importing it."""
    source = (HERE / "tomoscore_scipion" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE).group(1)


# No upper limits: the engine works with the versions that Scipion pins (numpy 1.24.4 or 1.26.1,
# scipy 1.10, mrcfile 1.4.3) and with later ones. constraints.txt has the tested versions.
NUMPY = "numpy>=1.24"
MRCFILE = "mrcfile>=1.4.3"

PLUGIN = [
    "scipion-pyworkflow>=3.11",
    "scipion-em>=3.11",
    "scipion-em-tomo>=3.11",
    MRCFILE,
    NUMPY,
]
ENGINE = [
    "torch>=2.0",
    "safetensors>=0.4",
    "pillow>=9.4",  # pictures
    "jinja2>=3.0",  # the report
    "matplotlib>=3.7",  # plots of comparisons and dose curves
    "starfile>=0.5.8; python_version >= '3.10'",  # RELION's star files
    "defusedxml>=0.7.1",  # metadata of Warp
    NUMPY,
    MRCFILE,
    "watchdog>=3.0",  # file system events for `tomoscore watch`
    "scipy>=1.10",  # simulation and training
    "tqdm>=4.60",
]
NAPARI = ["napari[all]>=0.5"]  # viewer for scored tomograms, used with the engine
DEV = [
    "pytest>=7",
    "pytest-cov>=4",
    "pytest-xdist>=3.5",  # tests on several cores
    "hypothesis>=6",
    "ruff>=0.5",
    "mypy>=1.0",
    "scikit-image>=0.19",
    "setuptools>=70.1",
    "docutils>=0.22",
    "sphinx>=7",  # documentation
    # reference implementations for tests/test_oracles.py
    "torch-ctf>=0.6; python_version >= '3.11'",
    "torch-fourier-rescale>=0.6; python_version >= '3.11'",
    "torch-fourier-shell-correlation>=0.6; python_version >= '3.11'",
]

setup(
    name="scipion-em-tomoscore",
    version=version(),
    description="Scipion plugin and command line: at which scale can features of a cellular "
    "cryo-ET tomogram be readily distinguished?",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="GPL-3.0-or-later",
    license_files=["LICENSE"],
    keywords=["scipion", "cryo-em", "cryo-et", "tomography", "image-processing", "quality"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
    python_requires=">=3.8",
    install_requires=PLUGIN,
    extras_require={"engine": ENGINE, "napari": NAPARI, "dev": DEV},
    packages=find_packages(include=["tomoscore_scipion", "tomoscore_scipion.*"]),
    package_data={
        "tomoscore_scipion": [
            "engine/requirements.txt",
            "icon.png",
            "manual/*.html",
            "napari_plugin/napari.yaml",
            "protocols.conf",
            "report/templates/*",
            "simulation/denoisers.safetensors",
            "templates/*.template",
            "weights/*.safetensors",
            "weights/*.scores.json",
        ],
    },
    entry_points={
        "pyworkflow.plugin": ["tomoscore_scipion = tomoscore_scipion"],
        "napari.manifest": [
            "scipion-em-tomoscore = tomoscore_scipion.napari_plugin:napari.yaml",
        ],
        "console_scripts": ["tomoscore = tomoscore_scipion.commands.cli:main"],
    },
    zip_safe=False,
)

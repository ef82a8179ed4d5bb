# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a Scipion project in which simulated tomograms are imported, scored and filtered.

Run as `python scripts/demo_scipion.py FOLDER` in an environment with Scipion and the engine. With
--open the project is then shown in the window of Scipion; with --tomograms other tomograms are
used.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PROJECT = "TomoScoreDemo"
QUALITIES = ("good", "medium", "poor")
DAMAGED = "damaged"


def main() -> int:
    """Simulate tomograms, run the workflow, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="made if it does not exist")
    parser.add_argument("--open", action="store_true", help="only open the project that is there")
    parser.add_argument(
        "--tomograms",
        type=Path,
        metavar="FOLDER",
        help="with .mrc files to run on, which are only read, instead of simulated ones",
    )
    args = parser.parse_args()
    folder = args.folder.resolve()
    own = args.tomograms and args.tomograms.resolve()
    set_environment(folder)
    if args.open:
        return subprocess.call([sys.executable, "-m", "scipion", "project", PROJECT])
    tomograms = folder / "tomograms"
    if not own:
        make_tomograms(tomograms)
    run_workflow(own or tomograms, damage_one=not own)
    print(f"\nTo see the project in Scipion: make demo-open (it lies in {folder})")
    return 0


def set_environment(folder: Path) -> None:
    """Set the variables of Scipion, which are read when it is imported."""
    for name in ("data", "home"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    spec = find_spec("scipion")
    assert spec is not None and spec.origin is not None
    templates = Path(spec.origin).parent / "templates"
    os.environ.update(
        SCIPION_HOME=str(folder / "home"),
        SCIPION_USER_DATA=str(folder / "data"),
        SCIPION_HOSTS=str(templates / "hosts.template"),
        SCIPION_PYTHON=sys.executable,
        SCIPION_DOMAIN="pwem",
        SCIPION_NOTIFY="False",
        SCIPION_PRIORITY_PACKAGE_LIST="pwem tomo",
    )


def make_tomograms(folder: Path) -> None:
    """Simulate three tomograms, and copy one of them, which is damaged later."""
    if not all((folder / f"{quality}.mrc").exists() for quality in QUALITIES):
        command = [sys.executable, "-m", "tomoscore_scipion.simulation.demo", str(folder)]
        subprocess.run(command, check=True)
    (folder / f"{DAMAGED}.mrc").write_bytes((folder / "good.mrc").read_bytes())


def run_workflow(tomograms: Path, damage_one: bool) -> None:
    """Import, score and filter tomograms; each protocol waits for the previous one."""
    paths = sorted(tomograms.glob("*.mrc"))
    if not paths:
        raise SystemExit(f"{tomograms}: there are no .mrc files")
    import mrcfile
    import pyworkflow as pw
    from pyworkflow.project import Manager

    pw.Config.setDomain("pwem")
    pw.Config.getDomain().getProtocols()
    from tomo.protocols import ProtImportTomograms

    from tomoscore_scipion.protocols import ProtTomoScore, ProtTomoScoreFilter

    manager = Manager()
    if manager.hasProject(PROJECT):
        manager.deleteProject(PROJECT)
    project = manager.createProject(PROJECT)
    os.chdir(project.path)
    with mrcfile.open(paths[0], header_only=True) as mrc:
        size = float(mrc.voxel_size.x)
    imported = run(
        project,
        ProtImportTomograms,
        filesPath=str(tomograms),
        filesPattern="*.mrc",
        samplingRate=size,
    )
    if damage_one:
        damage(tomograms / f"{DAMAGED}.mrc")
    scored = run(project, ProtTomoScore, imported, "Tomograms")
    best = run(project, ProtTomoScoreFilter, scored, "scoredTomograms", criterion=1, count=1)
    show(scored)
    print("\n".join(scored.summary()))
    print("\nFiltered, the best one:", ", ".join(t.getTsId() for t in best.acceptedTomograms))


def run(
    project: Any, kind: Any, source: Any = None, output: str | None = None, **values: Any
) -> Any:
    """Run a protocol on an output of another.

    Raises:
        SystemExit: the protocol failed; with its message.
    """
    protocol = project.newProtocol(kind, **values)
    if source is not None:
        protocol.inTomograms.set(source)
        protocol.inTomograms.setExtended(output)
    project.launchProtocol(protocol, wait=True)
    if not protocol.isFinished():
        raise SystemExit(f"{kind.__name__} failed: {protocol.getErrorMessage()}")
    return protocol


def damage(path: Path) -> None:
    """Truncate a file, as a full disk does."""
    os.truncate(path, path.stat().st_size // 2)


def show(scored: Any) -> None:
    """Print the table of all tomograms."""
    print(f"\n{'tomogram':12} {'TomoScore':>9} {'90 % interval':>14} {'scale':>8}  verdict")
    for item in scored.scoredTomograms.iterItems(orderBy="_tomoScore", direction="DESC"):
        low, high = item._tomoScoreLow.get(), item._tomoScoreHigh.get()
        scale = item._tomoScoreScale.get()
        print(
            f"{item.getTsId():12} {item._tomoScore.get():9.2f} {low:6.2f} to {high:4.2f} "
            f"{f'{scale:.1f} nm' if scale else '> 128 nm':>8}  {item._tomoScoreVerdict.get()}"
        )
    print()


if __name__ == "__main__":
    sys.exit(main())

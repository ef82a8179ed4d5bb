# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of a session, a fake scorer for them, and `tomoscore watch` as a process.

The fake score of a file is the value of its first voxel. The fake logs the name of each file.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import scoring_fakes  # noqa: E402

SHAPE_ZYX = (4, 8, 8)
HEADING = (
    "Tilt_Series,Thickness(Pix),Tilt_Axis,Global_Shift(Pix),Bad_Patch_Low,Bad_Patch_All,"
    "CTF_Res(A),CTF_Score,DF_Hand,Pix_Size(A),Cs(nm),Kv,Alpha0,Beta0\n"
)
"""Header line of AreTomo3's TiltSeries_Metrics.csv."""


def metrics_row(name, thickness_px=1400, bad_low=0.02, bad_all=0.12, ctf_angstrom=8.14):
    """A row in the format of AreTomo3."""
    return (
        f"{name}.mrc, {thickness_px:6d}, {-86.21:6.2f}, {151.2:8.2f}, {bad_low:5.2f}, "
        f"{bad_all:5.2f}, {ctf_angstrom:5.2f}, {0.1204:7.4f}, {-1:2d}, {1.54:5.2f}, "
        f"{2.7:.1f}, {300:3d}, {0.0:.1f}, {-9.5:.1f}\n"
    )


def mrc_bytes(value):
    """A small MRC file for which the fake score is `value`."""
    header = np.zeros(256, "<i4")
    z, y, x = SHAPE_ZYX
    header[:3], header[3], header[7:10], header[16:19] = (x, y, z), 2, (x, y, z), (1, 2, 3)
    header[10:13] = np.array([10.0 * x, 10.0 * y, 10.0 * z], "<f4").view("<i4")
    header[22] = 1
    header[52] = int.from_bytes(b"MAP ", "little")
    header[53] = 0x4144
    return header.tobytes() + np.full(SHAPE_ZYX, value, "<f4").tobytes()


class FakeScorer(scoring_fakes.FakeScorer):
    """Scores MRC files by their first voxel, and appends each file name to the file $SCORED."""

    def score(
        self,
        path,
        voxel_size_angstrom=None,
        ts_id=None,
        progress=None,
        z_range=None,
        finish=None,
    ):
        from tomoscore_scipion.reading.volume import open_volume
        from tomoscore_scipion.records.errors import TomogramError

        with open(os.environ["SCORED"], "a") as file:
            file.write(os.path.basename(path) + "\n")
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        with open_volume(path, voxel_size_angstrom) as volume:
            value = float(volume.read_slice(0)[0, 0])
            if value > 5:
                raise TomogramError(f"{path}: expected at most 5, found {value:g}")
            return scoring_fakes.make_score(
                ts_id,
                value,
                path=path,
                voxel_size_angstrom=volume.voxel_size_angstrom,
                model=self.model,
                device=self.device,
            )


class Watch:
    """A process that runs `tomoscore watch` with the fake scorer.

    Attributes:
        folder: the watched folder.
        output: the folder of the results.
    """

    def __init__(self, folder, *arguments, **environment):
        self.folder, self.output = folder / "data", folder / "scores"
        self.folder.mkdir(exist_ok=True)
        self._scored = folder / "scored"
        command = [sys.executable, __file__, "watch", "data", "--output", "scores"]
        command += ["--settle", "0.3", "--poll", "0.5", *arguments]
        variables = {**os.environ, "SCORED": str(self._scored), **environment}
        self.process = subprocess.Popen(
            command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()

    def write(self, name, value):
        """Write a complete file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(mrc_bytes(value))

    def scores(self):
        """{id: score} of the results so far; the score is None for failed tomograms."""
        from tomoscore_scipion.records.record_files import read_records

        path = self.output / "results.jsonl"
        records = read_records(str(path)) if path.exists() else []
        assert len({record.ts_id for record in records}) == len(records)
        return {record.ts_id: record.tomoscore for record in records}

    def until(self, condition, seconds=30):
        """Wait until `condition()` is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.scores(), self.scored())
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)

    def scored(self):
        """Names of the scored files, one per scoring."""
        return self._scored.read_text().split() if self._scored.exists() else []

    def stop(self, signum=signal.SIGINT):
        """Send a signal; return the exit status and the standard error."""
        self.process.send_signal(signum)
        return self.end()

    def end(self):
        """Wait for the end; return the exit status and the standard error."""
        errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode, errors


def command():
    """Command of a worker process that scores with the fake scorer."""
    return [sys.executable, __file__, "worker"]


def main(argv):
    from tomoscore_scipion.commands import cli
    from tomoscore_scipion.running import supervisor, worker

    sys.modules["tomoscore_scipion.model.scorer"] = scoring_fakes.as_module(FakeScorer)
    if argv == ["worker"]:
        return worker.main()
    supervisor.command = command
    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

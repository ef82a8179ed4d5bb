# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake `tomoscore` program: the score is the mean value in the MRC header.

For tests of the code that runs the engine. Environment variables change its behaviour:

    FAKE_SECONDS   time per tomogram
    FAKE_SECONDS_PER_MB  additional time per MB of the file
    FAKE_HOLD      tsId that it scores only when the file FAKE_GATE exists
    FAKE_GATE      path of that file
    FAKE_GPUS      number of GPUs that `info` lists
    FAKE_DIE       substring of the tsId at which it kills itself
    FAKE_SILENT    tsId for which it writes no record and no message
    FAKE_ERROR     error message with which it fails at its start
    FAKE_REPORT    error message of `report`; "hang": `report` never ends
    FAKE_LOG       log with an entry per start: GPUs, device, ids, begin and end
"""

import base64
import json
import os
import struct
import sys
import time

import fake_dose

from tomoscore_scipion import __version__
from tomoscore_scipion.records.bands import (
    N_BANDS,
    N_SCORED,
    NOTHING_SEEN,
    PERIODS_NM,
    READILY_SEEN,
    scale_nm,
)
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.thumbnail_files import chosen_slices, thumbnail_name
from tomoscore_scipion.records.z_range import planes_within

PATHS = {"score": "path", "dose": "stack"}
"""The key of an entry's file, per command."""
MODEL = {"name": "fake", "version": "1", "sha256": os.environ.get("FAKE_SHA256", "ab" * 32)}

GREY = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1"
    "tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL"
    "/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJi"
    "coKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ip"
    "qrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AItPsOnFf//Z"
)
"""A JPEG of 8 by 8 pixels, in base64."""


def info():
    gpus = [{"device": f"cuda:{n}", "name": "fake"} for n in range(int(env("FAKE_GPUS", "0")))]
    return {
        "version": __version__,
        "weights": {**MODEL, "path": "fake", "error": None},
        "python": "3.11",
        "packages": {"torch": "2"},
        "devices": [{"device": "cpu", "name": "cores"}, *gpus],
    }


def env(name, default=""):
    return os.environ.get(name, default)


def seconds_for(path):
    """Simulated run time for a tomogram, in seconds."""
    megabytes = os.path.getsize(path) / 1e6 if os.path.exists(path) else 0.0
    return float(env("FAKE_SECONDS", "0")) + megabytes * float(env("FAKE_SECONDS_PER_MB", "0"))


def score(entry, device):
    try:
        with open(entry["path"], "rb") as file:
            header = file.read(1024)
        nx, ny, nz = struct.unpack("<3i", header[:12])
        if header[208:211] != b"MAP" or os.path.getsize(entry["path"]) < 1024 + 4 * nx * ny * nz:
            raise ValueError("not an MRC file, or cut short")
        slab_z = planes_within(entry["z_range"], nz)
    except (OSError, ValueError, TomogramError, struct.error) as error:
        return Score.failed(
            entry["ts_id"],
            entry["path"],
            f"{entry['path']}: {error}",
            model=MODEL,
            engine_version=__version__,
            device=device,
        )
    value = round(struct.unpack("<f", header[84:88])[0], 4)
    return Score(
        ts_id=entry["ts_id"],
        path=entry["path"],
        tomoscore=value,
        tomoscore_interval=(max(value - 0.25, 0.0), min(value + 0.25, 5.0)),
        scale_nm=scale_nm(value),
        curve={"period_nm": PERIODS_NM, "resolvability": curve_of(value)},
        slab_z=slab_z,
        slices=[
            {"z": z, "tomoscore": value, "scale_nm": scale_nm(value)}
            for z in range(slab_z[0], slab_z[1] + 1, 3)
        ],
        z_range=entry["z_range"],
        halves=halves_of(entry, value),
        voxel_size_angstrom=entry["voxel_size_angstrom"],
        shape_zyx=(nz, ny, nx),
        warnings=("fake", "looks unflipped: turn it") if ny <= 0.6 * nz else ("fake",),
        model=MODEL,
        engine_version=__version__,
        device=device,
        seconds=0.0,
    )


def curve_of(value):
    """R of each octave, which adds up to the score: one octave after the other is visible."""
    span = READILY_SEEN - NOTHING_SEEN
    visible = [min(max(value - octave, 0.0), 1.0) for octave in range(N_SCORED)]
    return [round(NOTHING_SEEN + span * part, 4) for part in (*visible, 0.0)]


def halves_of(entry, value):
    """The `halves` of a record: the measured score is 0.5 lower than the predicted one."""
    if "half1" not in entry:
        return None
    measured = max(value - 0.5, 0.0)
    return {
        "half1": entry["half1"],
        "half2": entry["half2"],
        "status": "measured",
        "error": None,
        "tomoscore": measured,
        "interval": (max(measured - 0.25, 0.0), measured + 0.25),
        "curve": {"period_nm": PERIODS_NM, "resolvability": [0.4] * N_BANDS},
        "kind": "by-frame",
        "max_tilt_deg": 60.0,
        "octaves": PERIODS_NM[:5],
        "tilt_range_deg": entry.get("tilt_range_deg"),
        "warnings": (),
    }


def ids_in(path):
    """Ids of the records in an existing results file."""
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as results:
        return {json.loads(line)["ts_id"] for line in results}


def draw(record, folder):
    """Write a grey thumbnail of each chosen slice."""
    os.makedirs(folder, exist_ok=True)
    for z in set(chosen_slices(record).values()):
        with open(os.path.join(folder, thumbnail_name(record.ts_id, z)), "wb") as file:
            file.write(base64.b64decode(GREY))


def report(argv):
    """Run the real `report` command unless FAKE_REPORT is set."""
    if env("FAKE_REPORT"):
        while env("FAKE_REPORT") == "hang":
            time.sleep(1)
        print(f"tomoscore: error: {env('FAKE_REPORT')}", file=sys.stderr)
        return 1
    from tomoscore_scipion.commands.cli import main as real

    return real(argv)


def line_of(what, entry, job):
    """Results line of one entry of a job."""
    if what == "dose":
        return json.dumps(fake_dose.analyse(entry, job, MODEL))
    record = score(entry, job["device"])
    draw(record, job["thumbnail_dir"])
    return record.to_json()


def main(argv):
    if argv[0] == "info":
        print("a module says hello")
        print(json.dumps(info(), indent=2))
        return 0
    if argv[0] == "report":
        return report(argv)
    options = dict(zip(argv[1::2], argv[2::2]))
    if env("FAKE_ERROR"):
        print(f"tomoscore: error: {env('FAKE_ERROR')}", file=sys.stderr)
        return 1
    with open(options["--job"], encoding="utf-8") as file:
        job = json.load(file)
    entries = job["tilt_series" if argv[0] == "dose" else "tomograms"]
    begin = time.time()
    finished = ids_in(options["--output"])
    todo = [entry for entry in entries if entry["ts_id"] not in finished]
    with open(options["--output"], "a", encoding="utf-8") as results:
        for entry in todo:
            if env("FAKE_DIE") and env("FAKE_DIE") in entry["ts_id"]:
                print("out of memory", file=sys.stderr, flush=True)
                os.kill(os.getpid(), 9)
            while entry["ts_id"] == env("FAKE_HOLD") and not os.path.exists(env("FAKE_GATE")):
                time.sleep(0.2)
            time.sleep(seconds_for(entry[PATHS[argv[0]]]))
            if entry["ts_id"] == env("FAKE_SILENT"):
                continue
            results.write(line_of(argv[0], entry, job) + "\n")
            results.flush()
    if env("FAKE_LOG"):
        start = {
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "device": job["device"],
            "ids": [entry["ts_id"] for entry in todo],
            "begin": begin,
            "end": time.time(),
            "pythonpath": os.environ.get("PYTHONPATH"),
            "weights": job["weights"],
        }
        with open(env("FAKE_LOG"), "a", encoding="utf-8") as log:
            log.write(json.dumps(start) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

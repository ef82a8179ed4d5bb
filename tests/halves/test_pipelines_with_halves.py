# SPDX-License-Identifier: GPL-3.0-or-later
"""Halves from RELION's star file and from Warp's folder are measured."""

from pathlib import Path

import pytest
import relion_files

from tomoscore_scipion.pipelines.relion_tomograms import FILES, read_tomograms
from tomoscore_scipion.pipelines.warp_folder import read_warp_folder
from tomoscore_scipion.running.scoring import Scoring


@pytest.fixture
def written(files, cell):
    """Paths of a tomogram and its two halves, by kind."""
    return dict(zip(("reconstructed", "half1", "half2"), files(*cell.by_frame)))


def relion(written, tmp_path):
    star = tmp_path / "tomograms.star"
    columns = {FILES[kind]: path for kind, path in written.items()}
    columns["rlnTomoTiltSeriesPixelSize"] = None
    star.write_text(relion_files.star_text(["TS_01"], **columns))
    return read_tomograms(str(star)).tomograms


def warp(written, tmp_path):
    folder = tmp_path / "warp"
    for kind, place in (("reconstructed", ""), ("half1", "odd"), ("half2", "even")):
        target = folder / "reconstruction" / place / "TS_01_10.00Apx.mrc"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(written[kind])
    return read_warp_folder(str(folder)).tomograms


@pytest.mark.parametrize("pipeline", [relion, warp])
def test_halves_of_a_pipeline_are_measured_and_a_missing_one_is_a_warning(
    pipeline, written, tmp_path, shipped
):
    (tomogram,) = pipeline(written, tmp_path)
    record = Scoring().process(shipped, tomogram, lambda done, total: None)
    assert record.halves["status"] == "measured"
    Path(written["half2"]).unlink()
    record = Scoring().process(shipped, tomogram, lambda done, total: None)
    assert (record.status, record.halves["status"]) == ("ok", "refused")
    assert tomogram.half2 in record.warnings[-1]

# SPDX-License-Identifier: GPL-3.0-or-later
"""Combinations of metadata files of several programs."""

from dataclasses import replace

import dose_files
import numpy as np
import pytest
from dose_files import ANGLES, DOSE, RANK

from tomoscore_scipion.dose.series_files import UNALIGNED, read_series
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError


@pytest.fixture
def stack(files):
    return Sources("TS_01", files["stack"])


def file_sets(files):
    """All combinations of files that give the same series."""
    imod = {"xf": files["xf"], "tlt": files["tlt"]}
    return {
        "imod and doses": {**imod, "doses": files["doses"]},
        "imod and warp": {**imod, "warp_xml": files["xml"]},
        "imod and mdoc": {**imod, "mdoc": files["mdoc"]},
        "warp alone": {"warp_xml": files["xml"]},
        "aretomo and doses": {"aln": files["aln"], "doses": files["doses"]},
        "aretomo and mdoc": {"aln": files["aln"], "mdoc": files["mdoc"]},
        "relion alone": {"star": files["star"]},
        "imod and relion": {**imod, "star": files["star"]},
        "aretomo and relion": {"aln": files["aln"], "star": files["star"]},
    }


@pytest.mark.parametrize("index", range(9))
def test_every_combination_of_files_gives_the_same_series(stack, files, index):
    series = read_series(replace(stack, **list(file_sets(files).values())[index]))
    np.testing.assert_allclose(series.tilts.angles_deg, ANGLES, atol=0.02)
    np.testing.assert_allclose(series.tilts.transforms, dose_files.transforms(), atol=2e-3)
    np.testing.assert_allclose(series.exposures.end, DOSE * (RANK + 1))
    assert series.tilts.pixel_angstrom == dose_files.PIXEL_ANGSTROM
    assert series.warnings == ()


def test_a_stack_without_alignment_is_used_as_aligned_with_a_warning(stack, files):
    series = read_series(replace(stack, tlt=files["tlt"], doses=files["doses"]))
    np.testing.assert_allclose(series.tilts.transforms, np.tile(np.eye(2, 3), (11, 1, 1)))
    assert series.warnings == (UNALIGNED,)


def test_excluded_views_are_left_out_but_their_dose_counts(stack, files):
    series = read_series(replace(stack, **file_sets(files)["imod and doses"], excluded=(5, 0)))
    assert series.tilts.views.tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert series.exposures.before.min() == DOSE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("doses",), "no tilt angles.*--tlt"),
        (("tlt",), "doses.*--doses.*--tilt-series-star.*--warp-xml.*--mdoc"),
        (
            ("xml", "too many excluded"),
            r"at least 3 views .*, got 2 of 11; .* left out by .*TS_01\.xml or the list",
        ),
        (("xml", "no such view"), "excluded views: expected 0 to 10, got 11"),
    ],
)
def test_missing_metadata_is_named_with_advice(stack, files, given, message):
    names = {"xml": "warp_xml"}
    wanted = {names.get(name, name): files[name] for name in given if name in files}
    excluded = {"too many excluded": tuple(range(9)), "no such view": (11,)}
    wanted["excluded"] = next((excluded[name] for name in given if name in excluded), ())
    with pytest.raises(TomogramError, match=message):
        read_series(replace(stack, **wanted))


def test_remaining_views_of_one_angle_are_refused(stack, files, tmp_path):
    flat = tmp_path / "flat.tlt"
    flat.write_text("0.0\n" * 8 + "20\n40\n60\n")
    given = replace(stack, tlt=str(flat), doses=files["doses"], excluded=(8, 9, 10))
    with pytest.raises(TomogramError, match="flat.tlt: .*different tilt angles, got 0 to 0"):
        read_series(given)

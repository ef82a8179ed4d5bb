# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import dose_files
import pytest

from tomoscore_scipion.dose.series_files import read_series
from tomoscore_scipion.records.dose_source_files import Sources


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Paths of a small series, as strings: stack, xf, tlt, doses, xml, mdoc, aln, star."""
    folder = tmp_path_factory.mktemp("series")
    paths = {
        "stack": dose_files.write_stack(folder / "TS_01.mrc"),
        "xf": dose_files.write_xf(folder / "TS_01.xf"),
        "tlt": dose_files.write_tlt(folder / "TS_01.tlt"),
        "doses": dose_files.write_doses(folder / "doses.txt"),
    }
    for name, text in (
        ("xml", dose_files.warp_xml()),
        ("mdoc", dose_files.mdoc()),
        ("aln", dose_files.aln()),
        ("star", dose_files.star()),
    ):
        path = folder / f"TS_01.{name}"
        path.write_text(text)
        paths[name] = str(path)
    return paths


@pytest.fixture
def series(files, tmp_path):
    """Function that reads the series; files are given as their content or as valid paths."""

    def read(encoding="utf-8", stack=None, excluded=(), **texts):
        given = {}
        for name, text in texts.items():
            if isinstance(text, str) and "\n" in text:
                path = tmp_path / f"TS_01.{name}"
                path.write_bytes(text.encode(encoding))
                text = str(path)
            given[name] = text
        sources = Sources("TS_01", stack or files["stack"], excluded=excluded)
        return read_series(replace(sources, **given))

    return read

# SPDX-License-Identifier: GPL-3.0-or-later
import dose_files
import pytest


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

# SPDX-License-Identifier: GPL-3.0-or-later
"""Any metadata of a tilt series is either read with valid numbers or refused."""

import tempfile
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoscore_scipion.dose.series_files import read_series
from tomoscore_scipion.records.dose_source_files import Sources
from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_file import read_angle_file
from tomoscore_scipion.tilt_metadata.angle_match import match_angles
from tomoscore_scipion.tilt_metadata.aretomo import read_aln
from tomoscore_scipion.tilt_metadata.dose_file import read_doses
from tomoscore_scipion.tilt_metadata.exposures import MAX_DOSE
from tomoscore_scipion.tilt_metadata.imod_files import read_transforms
from tomoscore_scipion.tilt_metadata.mdoc.series import read_mdoc
from tomoscore_scipion.tilt_metadata.relion.series import read_relion_star
from tomoscore_scipion.tilt_metadata.warp.series import read_warp_xml

N = 7
SHAPE = (N, 64, 96)
ANGLES = np.linspace(-54.0, 54.0, N)
RANK = np.array([5, 4, 1, 0, 2, 3, 6])

odd_words = st.sampled_from(
    ["nan", "inf", "-1e300", "1e24", "0", "-0.0", "\u22123.5", "", "1_0", "x", "90.5", "3,5", "-60"]
    + ["#", "=", "[", "]", "1@a.mrc", "0@a.mrc", "<NA>", "True", "99999999999999999999", "\ufeff1"]
)
words = st.one_of(
    odd_words,
    st.floats(-70, 70).map(lambda value: f"{value:.2f}"),
    st.integers(-3, 30).map(str),
    st.text(max_size=6),
)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])


def rows_of(*columns):
    return [" ".join(str(value) for value in row) for row in zip(*columns)]


def aln_text():
    lines = ["# AreTomo Alignment / Priims bprmMn", f"# RawSize = 96 64 {N}", "# NumPatches = 0"]
    lines += ["# DarkFrame =    0    1   -54.00", "# SEC ROT GMAG TX TY SMEAN SFIT SCALE BASE TILT"]
    lines += [f"{i + 1} -4.3 1.0 {i}.5 -2.0 1 1 1 0 {ANGLES[i]:.2f}" for i in range(1, N)]
    return [*lines, "# Local Alignment", "0 0 1.0 1.0 0.1 0.1 1.0"]


def mdoc_text():
    lines = ["PixelSpacing = 15.0", "[T = SerialEM]", ""]
    for z, view in enumerate(np.argsort(RANK)):
        lines += [f"[ZValue = {z}]", f"TiltAngle = {ANGLES[view]:.2f}", "ExposureDose = 3"]
        lines += [f"DateTime = 14-Mar-24  10:{z:02d}:30", f"PriorRecordDose = {3 * z}"]
    return lines


def star_text():
    names = ["rlnMicrographName", "rlnTomoNominalStageTiltAngle", "rlnMicrographPreExposure"]
    names += ["rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot"]
    names += ["rlnTomoXShiftAngst", "rlnTomoYShiftAngst", "rlnDefocusU", "rlnVoltage"]
    head = ["data_TS_01", "", "loop_", *(f"_{name} #{i}" for i, name in enumerate(names, 1))]
    files = [f"{i + 1}@a.mrc" for i in range(N)]
    rest = [[0] * N, ANGLES, [85.0] * N, range(N), range(N), [3e4] * N, [300] * N]
    return head + rows_of(files, ANGLES, 3.0 * RANK, *rest)


def xml_text():
    columns = {"Angles": ANGLES, "Dose": 3.0 * RANK, "UseTilt": ["True"] * (N - 1) + ["False"]}
    columns.update({"AxisAngle": [5] * N, "AxisOffsetX": range(N), "AxisOffsetY": range(N)})
    lines = ["<TiltSeries>"]
    for name, values in columns.items():
        lines += [f"<{name}>", *map(str, values), f"</{name}>"]
    lines += ["<CTF>", '<Param Name="Voltage" Value="300" />', '<Param Name="Defocus" Value="3" />']
    lines += ["</CTF>", f'<GridCTF Width="1" Height="1" Depth="{N}">']
    lines += [f'<Node X="0" Y="0" Z="{view}" Value="3.{view}" />' for view in range(N)]
    return [*lines, "</GridCTF>", "</TiltSeries>"]


VALID = {
    "aln": aln_text(),
    "mdoc": mdoc_text(),
    "star": star_text(),
    "xml": xml_text(),
    "tlt": rows_of(ANGLES),
    "tlt with columns": rows_of(ANGLES, RANK + 1, [3.0] * N),
    "doses": rows_of(3.0 * RANK, [3.0] * N),
    "xf": rows_of([1] * N, [0] * N, [0] * N, [1] * N, range(N), range(N)),
}


@st.composite
def damaged(draw, kind):
    """A valid file with some changed words or lines."""
    lines = list(VALID[kind])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["word", "word", "word", "line", "twice", "gone", "swapped"]))
        if how == "word":
            parts = lines[at].split(" ")
            parts[draw(st.integers(0, len(parts) - 1))] = draw(words)
            lines[at] = " ".join(parts)
        elif how == "line":
            lines[at] = draw(st.text(max_size=30))
        elif how == "twice":
            lines.insert(at, lines[at])
        elif how == "gone" and len(lines) > 1:
            del lines[at]
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    content = end.join(lines).encode(draw(encodings), errors="replace")
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


def read(content, reader, names=("TS_01.meta",)):
    """Result of a reader, or None when it refuses the file and names one of `names`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "TS_01.meta")
        path.write_bytes(content)
        try:
            return reader(str(path))
        except TomogramError as error:
            assert any(name in str(error) for name in names)
            assert "Traceback" not in str(error) and "pydantic" not in str(error)
            return None


def check_angles(angles):
    assert np.isfinite(angles).all()
    assert np.abs(angles).max() <= 90
    assert np.ptp(angles) >= 2


def check_doses(doses):
    assert np.isfinite(doses.before).all() and np.isfinite(doses.per_view).all()
    assert (doses.before >= 0).all() and (doses.per_view > 0).all()
    assert doses.end.max() <= MAX_DOSE
    assert len(np.unique(doses.before)) == len(doses.before)


def check_optics(optics, n_views):
    if optics is not None:
        assert optics.defocus_nm.shape == (n_views,) and np.isfinite(optics.defocus_nm).all()
        assert optics.voltage_kv > 0 and 0 <= optics.amplitude_contrast < 1


anything = st.binary(max_size=300)


@given(st.one_of(damaged("aln"), anything))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_aln_file_is_an_alignment_or_refused(content):
    found = read(content, lambda path: read_aln(path, SHAPE))
    if found is not None:
        check_angles(found.angles_deg)
        assert np.isfinite(found.transforms).all()
        assert len(set(found.views.tolist())) == len(found.views) == len(found.angles_deg)
        assert 0 <= found.views.min() <= found.views.max() < N


@given(st.one_of(damaged("mdoc"), anything))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_mdoc_file_gives_doses_or_is_refused(content):
    found = read(content, read_mdoc)
    if found is not None:
        check_angles(found.angles_deg)
        check_doses(found.exposures)
        assert len(found.z) == len(found.angles_deg) == len(found.exposures.per_view)


@pytest.mark.filterwarnings("ignore::Warning:pandas", "ignore::FutureWarning")
@given(st.one_of(damaged("star"), anything))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_star_file_is_a_tilt_series_or_refused(content):
    found = read(content, read_relion_star)
    if found is not None:
        check_angles(found.angles_deg)
        if found.exposures is not None:
            check_doses(found.exposures)
        transforms = found.transforms(10.0)
        assert transforms is None or np.isfinite(transforms).all()
        check_optics(found.optics, len(found.angles_deg))


@given(st.one_of(damaged("xml"), anything), st.integers(N - 1, N))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_xml_file_is_a_warp_file_or_refused(content, n_views):
    found = read(content, lambda path: read_warp_xml(path, n_views))
    if found is not None:
        assert len(found.angles_deg) == len(found.used) == len(found.exposures.per_view) == n_views
        assert np.isfinite(found.angles_deg).all() and np.abs(found.angles_deg).max() <= 90
        check_doses(found.exposures)
        transforms = found.transforms(10.0)
        assert transforms is None or np.isfinite(transforms).all()
        check_optics(found.optics, n_views)


@given(st.one_of(damaged("tlt"), damaged("tlt with columns"), anything))
@settings(max_examples=300, deadline=None)
def test_an_arbitrary_angle_file_is_read_or_refused(content):
    found = read(content, lambda path: read_angle_file(path, N, "stack.mrc"))
    if found is not None:
        check_angles(found.angles_deg)
        assert len(found.angles_deg) == N
        doses = read(content, lambda path: read_angle_file(path, N, "s").exposures(None))
        if doses is not None:
            check_doses(doses)


@given(st.one_of(damaged("doses"), anything))
@settings(max_examples=200, deadline=None)
def test_an_arbitrary_dose_file_is_read_or_refused(content):
    found = read(content, lambda path: read_doses(path, None, N, "stack.mrc"))
    if found is not None:
        check_doses(found)


@given(st.one_of(damaged("xf"), anything))
@settings(max_examples=200, deadline=None)
def test_an_arbitrary_xf_file_has_transforms_within_the_image_or_is_refused(content):
    found = read(content, lambda path: read_transforms(path, N, "stack.mrc", SHAPE[1:]))
    if found is not None:
        assert found.shape == (N, 2, 3)
        assert np.abs(found[:, :, 2]).max() < max(SHAPE[1:])
        assert (np.linalg.det(found[:, :, :2]) > 0).all()


BESIDE = {
    "tlt": ("doses", "xf"),
    "tlt with columns": ("xf",),
    "aln": ("mdoc",),
    "mdoc": ("tlt", "xf"),
    "star": (),
    "xml": (),
    "doses": ("tlt", "xf"),
    "xf": ("tlt", "doses"),
}
"""Other files that a series needs beside each kind; star and XML files need none."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a stack and its valid metadata."""
    folder = tmp_path_factory.mktemp("series")
    mrcfile.write(folder / "stack.mrc", np.zeros(SHAPE, np.int8), voxel_size=15.0)
    for kind, lines in VALID.items():
        (folder / f"valid.{kind}").write_text("\n".join(lines))
    return folder


@pytest.mark.filterwarnings("ignore::Warning:pandas", "ignore::FutureWarning")
@given(st.sampled_from(sorted(BESIDE)), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_among_valid_ones_gives_a_valid_series_or_is_refused(folder, kind, data):
    content = data.draw(damaged(kind))
    # Values that are missing in all files are reported for the stack.
    found = read(
        content,
        lambda path: read_series(sources(folder, kind, path)),
        names=("TS_01.meta", "stack.mrc"),
    )
    if found is not None:
        tilts = found.tilts
        check_angles(tilts.angles_deg)
        check_doses(found.exposures)
        assert len(tilts.views) == len(tilts.angles_deg) == len(found.exposures.per_view)
        assert len(set(tilts.views.tolist())) == len(tilts.views)
        assert 0 <= tilts.views.min() <= tilts.views.max() < N
        assert np.isfinite(tilts.transforms).all()
        assert (np.linalg.det(tilts.transforms[:, :, :2]) > 0).all()


def sources(folder, kind, path):
    """Sources of the stack: one file that may be damaged, and the files it needs beside it."""
    keys = {"tlt with columns": "tlt", "xml": "warp_xml"}
    files = {keys.get(other, other): str(folder / f"valid.{other}") for other in BESIDE[kind]}
    files[keys.get(kind, kind)] = path
    return Sources("TS_01", str(folder / "stack.mrc"), **files)


@pytest.mark.parametrize("kind", BESIDE)
def test_the_valid_files_give_a_series(folder, kind):
    found = read_series(sources(folder, kind, str(folder / f"valid.{kind}")))
    left = {"xml": [N - 1], "aln": [0]}.get(kind, [])
    assert found.tilts.views.tolist() == [view for view in range(N) if view not in left]


@pytest.mark.parametrize("kind", VALID)
def test_the_valid_files_are_read(kind):
    readers = {
        "aln": lambda path: read_aln(path, SHAPE),
        "mdoc": read_mdoc,
        "star": read_relion_star,
        "xml": lambda path: read_warp_xml(path, N),
        "tlt": lambda path: read_angle_file(path, N, "stack.mrc"),
        "tlt with columns": lambda path: read_angle_file(path, N, "stack.mrc").exposures(None),
        "doses": lambda path: read_doses(path, None, N, "stack.mrc"),
        "xf": lambda path: read_transforms(path, N, "stack.mrc", SHAPE[1:]),
    }
    assert read("\n".join(VALID[kind]).encode(), readers[kind]) is not None


angle_errors = st.lists(st.floats(-0.2, 0.2), min_size=12, max_size=12)


@given(angle_errors, st.permutations(range(12)), st.floats(-20, 20), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_angles_of_any_order_sign_and_pretilt_are_matched_to_their_entries(
    errors, order, offset, turned, data
):
    entries = np.arange(-33.0, 34.0, 6.0) + np.array(errors)
    left = sorted(data.draw(st.sets(st.integers(1, 10), max_size=2)))
    present = np.array([entry for entry in order if entry not in left])
    views = (-1 if turned else 1) * entries[present] + offset
    found = match_angles(views, entries)
    assert found is not None
    ways = [found.entries, *found.rivals]
    assert any(np.array_equal(way, present) for way in ways)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The readers of Warp, SerialEM and AreTomo give the same tilt series."""

import dose_files
import numpy as np
import pytest
from dose_files import ANGLES, DOSE, PIXEL_ANGSTROM, RANK

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.aretomo import read_aln
from tomoscore_scipion.tilt_metadata.mdoc.series import read_mdoc
from tomoscore_scipion.tilt_metadata.warp.series import read_warp_xml

N = len(ANGLES)
SHAPE = (N, 96, 96)


def written(tmp_path, text):
    path = tmp_path / "metadata"
    path.write_text(text)
    return str(path)


def test_warp_xml_gives_angles_doses_alignment_and_defocus(files):
    found = read_warp_xml(files["xml"], N)
    np.testing.assert_allclose(found.angles_deg, ANGLES)
    np.testing.assert_allclose(found.exposures.before, DOSE * RANK)
    np.testing.assert_allclose(found.exposures.per_view, DOSE)
    np.testing.assert_allclose(found.transforms(PIXEL_ANGSTROM), dose_files.transforms(), atol=1e-6)
    np.testing.assert_allclose(found.optics.defocus_nm, 3000 + 100 * np.arange(N))
    assert found.optics.amplitude_contrast == 0.1
    assert found.used.all()


def test_warp_xml_may_lack_alignment_and_deselect_views(tmp_path):
    used = ["True"] * N
    used[2] = "False"
    found = read_warp_xml(written(tmp_path, dose_files.warp_xml(AxisAngle=None, UseTilt=used)), N)
    assert found.transforms(PIXEL_ANGSTROM) is None
    assert np.flatnonzero(~found.used).tolist() == [2]


ENTITY_BOMB = (
    '<!DOCTYPE a [<!ENTITY b0 "bomb">'
    + "".join(f'<!ENTITY b{n} "{10 * f"&b{n - 1};"}">' for n in range(1, 10))
    + "]><a>&b9;</a>"
)
"""Ten nested entities, each with ten of the one before: 4 GB after expansion."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (dose_files.warp_xml(Dose=[1, 2, 3]), "expected 11 values in <Dose>.*got 3"),
        (dose_files.warp_xml(UseTilt=["True"] * 3), "True or False for each of 11.*got 3"),
        (dose_files.warp_xml(Dose=None), "<Dose>, which is not there"),
        (dose_files.warp_xml(Angles=["a"] * N), "expected numbers in <Angles>"),
        ("<TiltSeries>", "expected Warp's XML"),
        ('<!DOCTYPE a SYSTEM "/etc/passwd"><a/>', "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "DOCTYPE"),
        (ENTITY_BOMB, "DOCTYPE"),
        ("<a>&b;</a>", "no whole XML.*line 1"),
    ],
)
def test_other_xml_is_refused_and_entities_are_never_expanded(tmp_path, text, message):
    with pytest.raises(TomogramError, match=message):
        read_warp_xml(written(tmp_path, text), N)


def test_mdoc_sections_are_assigned_to_views_by_angle(files):
    found = read_mdoc(files["mdoc"])
    assert found.angles_deg[0] == pytest.approx(0.01)
    doses = found.exposures.select(found.match(ANGLES, "TS_01.tlt").entries)
    np.testing.assert_allclose(doses.before, DOSE * RANK)


@pytest.mark.parametrize("order", [np.argsort(RANK), np.arange(N)])
def test_an_mdoc_without_prior_doses_gives_the_order_by_its_times(tmp_path, order):
    found = read_mdoc(written(tmp_path, dose_files.mdoc(order, prior=False)))
    doses = found.exposures.select(found.match(ANGLES, "TS_01.tlt").entries)
    np.testing.assert_allclose(doses.before, DOSE * RANK)


def test_an_mdoc_of_another_series_or_without_doses_is_refused(tmp_path, files):
    with pytest.raises(TomogramError, match="got 11 sections.*--doses"):
        read_mdoc(files["mdoc"]).match(ANGLES + 40, "TS_01.tlt")
    with pytest.raises(TomogramError, match="calibrated.*--doses"):
        read_mdoc(written(tmp_path, dose_files.mdoc(with_doses=False)))
    with pytest.raises(TomogramError, match="metadata"):
        read_mdoc(written(tmp_path, "what = ever\nno mdoc"))


def test_an_aln_file_gives_angles_and_alignment(files):
    found = read_aln(files["aln"], SHAPE)
    np.testing.assert_allclose(found.angles_deg, ANGLES)
    np.testing.assert_allclose(found.transforms, dose_files.transforms(), atol=1e-3)


@pytest.mark.parametrize("counted_without_dark", [False, True])
def test_dark_frames_of_aretomo_are_left_out(tmp_path, counted_without_dark):
    text = dose_files.aln(dark=(0, 4), counted_without_dark=counted_without_dark)
    found = read_aln(written(tmp_path, text), SHAPE)
    assert found.views.tolist() == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(found.angles_deg, ANGLES[found.views])


@pytest.mark.parametrize("text", ["", "no alignment\n", "# AreTomo Alignment\n# RawSize = x\n"])
def test_a_file_that_is_no_aretomo_alignment_is_refused(tmp_path, text):
    with pytest.raises(TomogramError, match="metadata"):
        read_aln(written(tmp_path, text), SHAPE)


def test_an_alignment_of_another_stack_is_refused(files):
    with pytest.raises(TomogramError, match="expected the alignment of the 12 images"):
        read_aln(files["aln"], (12, 96, 96))

# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files in the encodings and line ends of three systems, and truncated or damaged files."""

import dose_files
import numpy as np
import pytest
from dose_files import ANGLES, DOSE, RANK

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.angle_file import read_angle_file
from tomoscore_scipion.tilt_metadata.aretomo import read_aln
from tomoscore_scipion.tilt_metadata.dose_file import read_doses
from tomoscore_scipion.tilt_metadata.imod_files import read_transforms
from tomoscore_scipion.tilt_metadata.mdoc.series import read_mdoc
from tomoscore_scipion.tilt_metadata.relion.series import read_relion_star
from tomoscore_scipion.tilt_metadata.warp.series import read_warp_xml

N = len(ANGLES)
SHAPE = (N, 96, 96)
BEFORE = DOSE * RANK
XF = "".join(" ".join(f"{v:.5f}" for v in (*m[:, :2].ravel(), *m[:, 2])) + "\n" for m in
             dose_files.transforms())  # fmt: skip
KINDS = {
    "star": (dose_files.star(), lambda path: read_relion_star(path).exposures.before),
    "mdoc": (dose_files.mdoc(), lambda path: read_mdoc(path).exposures.before[np.argsort(
        read_mdoc(path).angles_deg)]),
    "xml": (dose_files.warp_xml(), lambda path: read_warp_xml(path, N).exposures.before),
    "doses": (
        "".join(f"{before} {DOSE}\n" for before in BEFORE),
        lambda path: read_doses(path, None, N, "s.mrc").before,
    ),
    "tlt": (
        "".join(f"{angle} {before + DOSE}\n" for angle, before in zip(ANGLES, BEFORE)),
        lambda path: read_angle_file(path, N, "s.mrc").exposures(None).before,
    ),
    "aln": (dose_files.aln(), lambda path: read_aln(path, SHAPE).angles_deg),
    "xf": (XF, lambda path: read_transforms(path, N, "s.mrc", (96, 96))[:, :, 2]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CR LF", "CR"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"]
)
def test_text_is_read_in_any_encoding_and_with_any_line_ends(tmp_path, kind, end, encoding):
    text, read = KINDS[kind]
    path = tmp_path / f"TS_01.{kind}"
    path.write_bytes(text.replace("\n", end).encode(encoding))
    expected = {"aln": ANGLES, "xf": dose_files.transforms()[:, :, 2]}.get(kind, BEFORE)
    np.testing.assert_allclose(read(str(path)), expected, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"\x7fELF\0\1\2\3\0\0" * 50, bytes(400), b"1\0\0\0" * 99])
def test_binary_data_is_refused(tmp_path, kind, data):
    path = tmp_path / f"TS_01.{kind}"
    path.write_bytes(data)
    with pytest.raises(TomogramError, match=rf"TS_01\.{kind}: expected .*, got binary data"):
        KINDS[kind][1](str(path))


XML = dose_files.warp_xml()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (XML[: len(XML) // 2], XML[: len(XML) // 2].count("\n") + 1),
        ("", 1),
        (XML.replace("</Angles>", "</angles>"), 12),
        (XML.replace("<TiltSeries>", "<TiltSeries"), 2),
        (XML + "<rest", XML.count("\n") + 1),
        (XML.replace("8.0", "8.0 & 9.0"), None),
        ("\n\n" + XML, 3),
    ],
    ids=["cut off", "empty", "wrong tag", "open tag", "two roots", "ampersand", "blank lines"],
)
def test_broken_warp_xml_is_refused_without_parser_messages(tmp_path, text, line):
    path = tmp_path / "TS_01.xml"
    path.write_text(text)
    with pytest.raises(TomogramError) as raised:
        read_warp_xml(str(path), N)
    message = str(raised.value)
    assert message.startswith(
        f"{path}: expected Warp's XML metadata of a tilt series, got no whole"
    )
    assert "--tlt, --doses" in message and "copy it anew" in message.lower()
    for raw in ("not well-formed", "mismatched", "no element", "junk", "token", "column"):
        assert raw not in message
    assert line is None or f"line {line};" in message

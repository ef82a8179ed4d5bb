# SPDX-License-Identifier: GPL-3.0-or-later
"""Doses and alignments from tomo's import protocols."""

import sys
from pathlib import Path

import pytest
from lab import log_of
from test_dose import views_on

# From Python 3.11 on, a closed connection keeps its lock while one of its cursors is unfinished.
# tomo's import leaves such a cursor, and then waits for its own lock.
pytestmark = pytest.mark.skipif(sys.version_info >= (3, 11), reason="tomo's import hangs there")


def test_doses_set_by_tomos_import_are_used(lab):
    """A .tlt file with the accumulated dose beside the angle; the alignment is assigned later."""
    from tomo.protocols import ProtAssignTransformationMatrixTiltSeries, ProtImportTs

    from tomoscore_scipion.protocols import ProtTomoScoreDose

    entry = lab.series("TS_01", 20.0)
    rows = [(3.0 * n, 3.0 * (2 * abs(n) + (n >= 0))) for n in range(-10, 11)]
    (lab.folder / "TS_01.tlt").write_text("".join(f"{a:.1f} {d:.1f}\n" for a, d in rows))
    imported = lab.project.newProtocol(
        ProtImportTs,
        filesPath=str(lab.folder),
        filesPattern="{TS}.mrc",
        dataStreaming=False,
        anglesFrom=2,
        voltage=300,
        magnification=50000,
        sphericalAberration=2.7,
        amplitudeContrast=0.1,
        samplingRate=10.0,
        doseInitial=0.0,
        dosePerFrame=3.0,
        tiltAxisAngle=85.0,
    )
    lab.launch(imported)
    assert imported.isFinished(), log_of(imported)
    ((output, _),) = imported.iterOutputAttributes()
    (error,) = lab.new(ProtTomoScoreDose, imported, output).validate()
    assert "not aligned" in error
    aligned = lab.project.newProtocol(ProtAssignTransformationMatrixTiltSeries)
    for pointer, source, name in (
        (aligned.getTMSetOfTiltSeries, lab.source_of_series([entry]), "TiltSeries"),
        (aligned.setTMSetOfTiltSeries, imported, output),
    ):
        pointer.set(source)
        pointer.setExtended(name)
    lab.launch(aligned)
    assert aligned.isFinished(), log_of(aligned)
    ((output, _),) = aligned.iterOutputAttributes()
    protocol = lab.dose(aligned, output)
    assert protocol.isFinished(), log_of(protocol)
    (path,) = Path(protocol._getExtraPath("batches", "0001", "input")).glob("*.doses")
    found = [tuple(map(float, row.split())) for row in path.read_text().splitlines()]
    assert found == [(dose - 3.0, 3.0) for _, dose in rows]
    on = views_on(protocol.limitedTiltSeries)["TS_01"]
    (dose,) = [
        s.getAttributeValue("_tomoScoreDose") for s in protocol.limitedTiltSeries.iterItems()
    ]
    assert on == {n for n, (_, end) in enumerate(rows, 1) if end <= dose} and 3 < len(on) < 21

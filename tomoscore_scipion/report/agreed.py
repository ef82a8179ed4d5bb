# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's section on the agreement of predicted scores with those measured from half maps."""

from __future__ import annotations

import io
from typing import Any, Sequence

from tomoscore_scipion.agreement.figures import FEWEST, Agreement, agreement_of
from tomoscore_scipion.agreement.summary_text import sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.halves_block import measured_score
from tomoscore_scipion.records.record import OK, Score
from tomoscore_scipion.records.record_files import model_of
from tomoscore_scipion.report.pictures import data_url

DPI = 110


def section_of(records: Sequence[Score]) -> dict[str, Any] | None:
    """What the section shows, as JSON knows it.

    Args:
        records: one for each tomogram.

    Returns:
        {"said": sentences, the verdict first, "plot": a PNG as data URL}. None where fewer than
        `FEWEST` tomograms were measured from half maps, or several models scored them.
    """
    scored = [record for record in records if record.status == OK]
    if sum(measured_score(record) is not None for record in scored) < FEWEST:
        return None
    try:
        model_of(scored)
    except StartError:  # the page warns of several models in any case
        return None
    found = agreement_of(scored)
    said = [line.strip() for line in sentences(found) if line]
    return {"said": said, "plot": data_url("png", _plot_of(found))}


def _plot_of(found: Agreement) -> bytes:
    """The plot as the content of a PNG file."""
    from matplotlib.figure import Figure

    from tomoscore_scipion.agreement.drawing import SIZE, draw

    figure, buffer = Figure(figsize=SIZE, dpi=DPI), io.BytesIO()
    draw(figure, found)
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

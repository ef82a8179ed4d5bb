# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's section on the agreement of predicted scores with those measured from half maps."""

from __future__ import annotations

import io
from typing import Any, Sequence

from tomoscore_scipion.agreement.figures import Agreement, session_agreement
from tomoscore_scipion.agreement.summary_text import sentences
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.report.pictures import data_url

DPI = 110


def section_of(records: Sequence[Score]) -> dict[str, Any] | None:
    """The content of the section, as JSON-compatible dictionary.

    Args:
        records: one for each tomogram.

    Returns:
        {"said": sentences, the verdict first, "plot": a PNG as data URL}; None without agreement,
        see `session_agreement`.
    """
    agreement = session_agreement(records)
    if agreement is None:
        return None
    said = [line.strip() for line in sentences(agreement) if line]
    return {"said": said, "plot": data_url("png", _plot_of(agreement))}


def _plot_of(agreement: Agreement) -> bytes:
    """The plot as the content of a PNG file."""
    from matplotlib.figure import Figure

    from tomoscore_scipion.agreement.drawing import SIZE, draw

    figure, buffer = Figure(figsize=SIZE, dpi=DPI), io.BytesIO()
    draw(figure, agreement)
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Summary and methods of ProtTomoScoreDose."""

import os

from pwem.objects import EMSet

from tomoscore_scipion.protocols import summary_text
from tomoscore_scipion.protocols.dose_outputs import (
    CURVE_FILE,
    FAILED_SERIES_SET,
    LIMITED_SET,
    VIEWS_OFF,
)
from tomoscore_scipion.protocols.item_attributes import ERROR, value
from tomoscore_scipion.protocols.provenance import DEVICE, provenance_of
from tomoscore_scipion.protocols.recovery import readable_output
from tomoscore_scipion.records.bands import readable_scale, scale_nm
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.dose_session import session_of

MAX_LINES = 5
"""Maximum number of failures, of warnings, and of points of the median curve."""
NOTHING = ["No tilt series is analysed yet."]


def series_in(protocol, name=LIMITED_SET):
    """Copies of the tilt series of an output, without their images; [] if it is missing."""
    tilt_series = readable_output(protocol, name)
    if tilt_series is None or tilt_series.isEmpty():
        return []
    series = [item.clone() for item in EMSet.iterItems(tilt_series)]
    tilt_series.close()
    return series


def records_in(protocol):
    """The DoseRecords of a protocol's tilt series, in the order of the set."""
    paths = [value(series, CURVE_FILE) for series in series_in(protocol)]
    return [DoseRecord.load(path) for path in paths if path and os.path.exists(path)]


def summary(protocol):
    """Lines: counts, range, median curve, disabled views, model, warnings, failures."""
    lines = _analysed_lines(protocol)
    failed = series_in(protocol, FAILED_SERIES_SET)
    if failed:
        lines += [f"*{len(failed)} failed*:"]
        lines += [f"  {series.getTsId()}: {value(series, ERROR)}" for series in failed[:MAX_LINES]]
    return lines or NOTHING


def _analysed_lines(protocol):
    series, records = series_in(protocol), records_in(protocol)
    if not records:
        return []
    session = session_of(records)
    off = [value(item, VIEWS_OFF).split(",") for item in series if value(item, VIEWS_OFF)]
    made = provenance_in(protocol)
    lines = [f"Tilt series: *analysed {len(series)}*.", range_line(session, len(records))]
    lines += [f"  {count} without a range: {reason}" for reason, count in session.reasons.items()]
    if session.dose is not None:
        lines.append(
            f"Median suggested dose {session.dose:.0f} e/A^2, with a median TomoScore of "
            f"{session.tomoscore:.2f} octaves ({readable_scale(scale_nm(session.tomoscore))})."
        )
    lines += [
        f"Median curve (e/A^2: octaves): {curve_text(session.curve)}.",
        f"Views disabled: {sum(map(len, off))}, in {len(off)} tilt series.",
        "Doses are accumulated, at the end of a view.",
        f"Model {summary_text.model(made)}, on {made[DEVICE] or 'unknown'}.",
    ]
    return lines + warning_lines(records)


def warning_lines(records):
    """The engine's warnings without duplicates, each with the first tilt series that has it."""
    having = {}
    for record in records:
        for warning in record.warnings:
            having.setdefault(warning, []).append(record.ts_id)
    lines = []
    for warning, ids in sorted(having.items(), key=lambda pair: -len(pair[1]))[:MAX_LINES]:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        lines.append(f"  {ids[0]}{more}: {warning}")
    if not lines:
        return []
    more = len(having) - len(lines)
    return ["*Warnings*:", *lines, *([f"  and {more} others"] if more > 0 else [])]


def range_line(session, count):
    """A sentence with the suggested range of a session of `count` tilt series."""
    if session.low_high is None:
        return (
            f"*No dose range for the session*: only {session.decided} of {count} tilt series have "
            "one."
        )
    low, high = session.low_high
    return (
        f"*Suggested dose for the session: {low:.0f} to {high:.0f} e/A^2* (medians of "
        f"{session.decided} of {count} tilt series)."
    )


def curve_text(curve):
    """Text with a few points of a median curve, including the first and last point."""
    last = len(curve) - 1
    indices = (
        sorted({round(last * n / (MAX_LINES - 1)) for n in range(MAX_LINES)}) if last > 0 else [0]
    )
    return ", ".join(f"{curve[n][0]:.0f}: {curve[n][1]:.2f}" for n in indices)


def provenance_in(protocol):
    """{attribute: value} of the provenance of a protocol's outputs."""
    return provenance_of(getattr(protocol, LIMITED_SET), protocol._provenanceKinds)


def methods(protocol):
    """A paragraph for a paper; empty before there are results."""
    records = records_in(protocol)
    if not records:
        return []
    session, made = session_of(records), provenance_in(protocol)
    end = "no tilt series had a range of doses with the best score"
    if session.dose is not None:
        end = (
            f"in {session.decided} of them the best score lay within the series, at a median dose "
            f"of {session.dose:.0f} e/A^2, and their views beyond it were disabled"
        )
    if session.low_high is not None:
        end += "; the suggested range was {:.0f} to {:.0f} e/A^2 (medians)".format(
            *session.low_high
        )
    return [
        f"Tilt series (n = {len(records)}) were reconstructed at low resolution from the views up "
        "to growing accumulated doses (at the end of exposure), and rated by TomoScore "
        f"(independent implementation of the idea of {summary_text.PAPER}; "
        f"{summary_text.program(made)}); curves with dose weighting follow Grant and Grigorieff, "
        "2015, doi:10.7554/eLife.06980. "
        f"{end[0].upper()}{end[1:]}."
    ]

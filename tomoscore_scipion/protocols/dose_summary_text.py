# SPDX-License-Identifier: GPL-3.0-or-later
"""What ProtTomoScoreDose says about its results: summary and methods."""

import os
from statistics import median

from pwem.objects import EMSet

from tomoscore_scipion.protocols import summary_text
from tomoscore_scipion.protocols.dose_outputs import (
    CURVE_FILE,
    DOSE,
    DOSE_LOW,
    FAILED_SERIES_SET,
    LIMITED_SET,
    VIEWS_OFF,
)
from tomoscore_scipion.protocols.dose_session import session_of
from tomoscore_scipion.protocols.item_attributes import ERROR, SCORE, value
from tomoscore_scipion.protocols.recovery import readable_output
from tomoscore_scipion.records.bands import readable_scale, scale_nm
from tomoscore_scipion.records.dose_record import DoseRecord

SHOWN = 5
"""So many failures and warnings are named, and so many points of the median curve."""
NOTHING = ["No tilt series is analysed yet."]


def series_in(protocol, name=LIMITED_SET):
    """Copies of the tilt series of an output, without their images; [] where it is not there."""
    tilt_series = readable_output(protocol, name)
    if tilt_series is None or tilt_series.isEmpty():
        return []
    found = [series.clone() for series in EMSet.iterItems(tilt_series)]
    tilt_series.close()
    return found


def records_in(protocol):
    """The DoseRecords of a protocol's tilt series, in the order of the set."""
    paths = [value(series, CURVE_FILE) for series in series_in(protocol)]
    return [DoseRecord.load(path) for path in paths if path and os.path.exists(path)]


def summary(protocol):
    """Counts, range of the session, median curve, views off, model, warnings, the failed."""
    lines = _analysed_lines(protocol)
    failed = series_in(protocol, FAILED_SERIES_SET)
    if failed:
        lines += [f"*{len(failed)} failed*:"]
        lines += [f"  {series.getTsId()}: {value(series, ERROR)}" for series in failed[:SHOWN]]
    return lines or NOTHING


def _analysed_lines(protocol):
    series, records = series_in(protocol), records_in(protocol)
    if not records:
        return []
    session = session_of(records)
    off = [value(item, VIEWS_OFF).split(",") for item in series if value(item, VIEWS_OFF)]
    made = provenance_in(protocol)
    lines = [f"Tilt series: *analysed {len(series)}*.", range_of(session, len(records))]
    lines += [f"  {count} without a range: {reason}" for reason, count in session.reasons.items()]
    lines += [
        *_suggestion_lines([item for item in series if value(item, DOSE_LOW) is not None]),
        f"Median curve (e/A^2: octaves): {curve_in_words(session.curve)}.",
        f"Views disabled: {sum(map(len, off))}, in {len(off)} tilt series.",
        "Doses are accumulated, at the end of a view.",
    ]
    lines.append(f"Model {summary_text.model(made)}, on {made['_tomoScoreDevice'] or 'unknown'}.")
    return lines + warning_lines(records)


def warning_lines(records):
    """What the engine warned of, each warning once, with the first tilt series that has it."""
    having = {}
    for record in records:
        for warning in record.warnings:
            having.setdefault(warning, []).append(record.ts_id)
    lines = []
    for warning, ids in sorted(having.items(), key=lambda pair: -len(pair[1]))[:SHOWN]:
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        lines.append(f"  {ids[0]}{more}: {warning}")
    if not lines:
        return []
    more = len(having) - len(lines)
    return ["*Warnings*:", *lines, *([f"  and {more} others"] if more > 0 else [])]


def _suggestion_lines(series):
    """What the tilt series that have a range have in common."""
    if not series:
        return []
    score = median(value(item, SCORE) for item in series)
    return [
        f"Median suggested dose {median(value(i, DOSE) for i in series):.0f} e/A^2, with a median "
        f"TomoScore of {score:.2f} octaves ({readable_scale(scale_nm(score))})."
    ]


def range_of(session, count):
    """The suggested range of a session of `count` tilt series, in a sentence."""
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


def curve_in_words(curve):
    """A few points of a median curve, its first and last among them."""
    last = len(curve) - 1
    chosen = sorted({round(last * n / (SHOWN - 1)) for n in range(SHOWN)}) if last > 0 else [0]
    return ", ".join(f"{curve[n][0]:.0f}: {curve[n][1]:.2f}" for n in chosen)


def provenance_in(protocol):
    """{name: value} of what the outputs say of their making."""
    tilt_series = getattr(protocol, LIMITED_SET)
    return {name: value(tilt_series, name) for name in protocol._provenanceKinds}


def methods(protocol):
    """A paragraph that is ready for a paper; nothing before there are results."""
    records = records_in(protocol)
    if not records:
        return []
    session, made = session_of(records), provenance_in(protocol)
    best = [record.optimum_dose for record in records if record.suggested_range]
    end = "no tilt series had a range of doses with the best score"
    if best:
        end = (
            f"in {len(best)} of them the best score lay within the series, at a median dose of "
            f"{median(best):.0f} e/A^2, and their views beyond it were disabled"
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

# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of runs for viewers: rows of the outputs, and their records, pictures and reports.

All data are read in their current state, also while a run is going on. For filtered sets, joins and
subsets, the runs that scored the tomograms are found.
"""

import json
from pathlib import Path
from typing import NamedTuple, Optional

from tomoscore_scipion.protocols import ProtTomoScore, reporting
from tomoscore_scipion.protocols.exchange import latest_lines
from tomoscore_scipion.protocols.item_attributes import HIGH, LOW, SCORE, VERDICT, value
from tomoscore_scipion.protocols.output_sets import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
)
from tomoscore_scipion.protocols.provenance import provenance_of
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.session_order import in_order
from tomoscore_scipion.records.thumbnail_files import chosen_slices, detail_name, map_picture_name


class Row(NamedTuple):
    """A tomogram of a run; scores in octaves, None without a score."""

    ts_id: str
    score: Optional[float]
    low: Optional[float]
    high: Optional[float]
    verdict: Optional[str]


def output(protocol, name):
    """An output with items, else None."""
    tomograms = getattr(protocol, name, None)
    return None if tomograms is None or tomograms.isEmpty() else tomograms


def rows_of(*sets):
    """The rows of sets, in the order of the input; a set may be None."""
    rows = []
    for tomograms in sets:
        if tomograms is not None:
            rows += [(item.getObjId(), _row(item)) for item in tomograms.iterItems()]
            tomograms.close()  # items added later are read the next time
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _row(item):
    return Row(item.getTsId(), *(value(item, name) for name in (SCORE, LOW, HIGH, VERDICT)))


def all_rows(protocol):
    """The rows of all scored, filtered and failed tomograms of a run, in the report's order."""
    scored = output(protocol, SCORED_SET)
    split = [output(protocol, name) for name in (ACCEPTED_SET, REJECTED_SET)]
    rows = rows_of(*(split if scored is None else [scored]), output(protocol, FAILED_SET))
    order = {}
    for run in scoring_runs(protocol):
        order.update(reporting.order_in(run._getExtraPath()))
    return in_order(rows, (row.ts_id for row in rows), order)[0]


def threshold_of(protocol):
    """The threshold of a run in octaves; None without a threshold, or before it is known."""
    for name in (SCORED_SET, ACCEPTED_SET, REJECTED_SET):
        tomograms = getattr(protocol, name, None)
        if tomograms is not None:
            return provenance_of(tomograms)["_tomoScoreThreshold"]
    return None


def scoring_runs(protocol):
    """The runs of ProtTomoScore for a run: the run itself, or the runs that scored its input."""
    scoring, waiting, visited = [], [protocol], set()
    while waiting:
        run = waiting.pop(0)
        if run.getObjId() in visited:
            continue
        visited.add(run.getObjId())
        if isinstance(run, ProtTomoScore):
            scoring.append(run)
        else:
            waiting += _sources(run)
    return scoring


def _sources(run):
    """The runs that made the inputs of a run."""
    sources = []
    for _, pointer in run.iterInputAttributes():
        made = pointer.getObjValue()
        if made is not None and not hasattr(made, "iterInputAttributes"):
            made = run.getProject().getProtocol(made.getObjParentId())
        if made is not None:
            sources.append(made)
    return sources


class Records:
    """The records of the tomograms of a run, and their pictures."""

    def __init__(self, protocol):
        """Read the records of all scoring runs that exist.

        Args:
            protocol: a run of a protocol that scores or filters.
        """
        self._lines = {}  # {tsId: list of (folder of a run, line of JSON)}
        for run in scoring_runs(protocol):
            folder = Path(run._getExtraPath())
            for ts_id, line in latest_lines(folder / reporting.BATCHES).items():
                self._lines.setdefault(ts_id, []).append((folder, line))

    def __contains__(self, row):
        return row.ts_id in self._lines

    def _pick(self, row):
        """(folder, line) of a row; if several runs have its tsId, the one with the same score."""
        lines = self._lines[row.ts_id]
        same = (one for one in lines if json.loads(one[1])["tomoscore"] == row.score)
        return lines[-1] if len(lines) == 1 else next(same, lines[-1])

    def of(self, row):
        """The record (Score) of a row."""
        return Score.from_json(self._pick(row)[1])

    def pictures(self, row):
        """{kind: path} of the existing pictures of the best, median and worst slice of a row."""
        folder = self._pick(row)[0] / reporting.THUMBNAILS
        planes = chosen_planes(self.of(row))
        paths = {kind: folder / detail_name(row.ts_id, z) for kind, z in planes.items()}
        return {kind: path for kind, path in paths.items() if path.exists()}

    def map_picture(self, row):
        """Path of the picture of the quality map of a row; the file may not exist."""
        return self._pick(row)[0] / reporting.MAPS / map_picture_name(row.ts_id)


def chosen_planes(record):
    """{kind: plane} of the best, median and worst slice."""
    return {k: z for k, z in chosen_slices(record).items() if k != "central"}


def reports(protocol):
    """Paths of the existing reports of the runs that scored the tomograms of a run."""
    paths = [Path(run._getExtraPath(reporting.REPORT)) for run in scoring_runs(protocol)]
    return [path for path in paths if path.exists()]

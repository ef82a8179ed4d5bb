# SPDX-License-Identifier: GPL-3.0-or-later
"""Adapter of the stream runner for tomograms: job entries, and outputs from scores."""

import logging
import math
import os

from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.plugin import Plugin
from tomoscore_scipion.protocols import exchange, item_attributes, reporting
from tomoscore_scipion.protocols.item_attributes import DECIDED_BY, VERDICT, value
from tomoscore_scipion.protocols.new_items import NewItems
from tomoscore_scipion.protocols.output_sets import (
    ACCEPTED_SET,
    FAILED_SET,
    REJECTED_SET,
    SCORED_SET,
    SET_OF,
)
from tomoscore_scipion.protocols.provenance import criteria_provenance, provenance_of
from tomoscore_scipion.protocols.stream_adapter import StreamAdapter
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.job import Tomogram
from tomoscore_scipion.records.reasons import faults_of
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.resume import is_current
from tomoscore_scipion.records.tilt_range import check_tilt_range
from tomoscore_scipion.records.verdict import accepted_by

logger = logging.getLogger(__name__)

MIN_COST_BYTES = 2**24
"""Minimum cost of a file in bytes; for smaller files the network dominates the run time."""


class ScoreAdapter(StreamAdapter):
    """Tomograms of ProtTomoScore."""

    done_set, failed_set = SCORED_SET, FAILED_SET
    write_order = (ACCEPTED_SET, REJECTED_SET, FAILED_SET, SCORED_SET)

    def __init__(self, protocol):
        super().__init__(protocol)
        self._incoming = NewItems()
        self._positions = {}  # {id: object id in the input}, which gives the order
        self._thumbnails = protocol._getExtraPath(reporting.THUMBNAILS)

    def read_record(self, line):
        """The Score of a line."""
        return Score.from_json(line)

    def provenance(self):
        """Settings and criteria of the form."""
        return {**super().provenance(), **criteria_provenance(self.protocol.getCriteria())}

    def reporter(self):
        """The Reporter, which keeps the report of the run up to date."""
        protocol = self.protocol
        self._report = reporting.Reporter(
            os.path.abspath(protocol._getExtraPath()),
            Plugin.getProgram(),
            Plugin.getEnviron(),
            protocol.getCriteria(),
            title=f"{protocol.getProject().getShortName()}: {protocol.getRunName()}",
            maps=protocol.writeMaps.get(),
        )
        return self._report

    # --------------------------- start and end ------------------------------
    def resume(self, outputs, lost, provenance):
        """Make the verdicts again if the form has other criteria or an output is lost."""
        for name, tomograms in outputs.items():
            self._complete_columns(name, tomograms)
        judged = [outputs[n] for n in (SCORED_SET, ACCEPTED_SET, REJECTED_SET) if n in outputs]
        if not {ACCEPTED_SET, REJECTED_SET}.intersection(lost) and all(
            map(self._is_judged, judged)
        ):
            return
        logger.info("The verdicts are made again, the scores are kept.")
        if SCORED_SET in outputs and not self.protocol.atMost.get():
            self._judge_again(provenance)
            return
        for name in (ACCEPTED_SET, REJECTED_SET):  # until there are verdicts
            self.sets.replace(name, [], provenance)

    def _complete_columns(self, name, tomograms):
        """Add missing columns to an output from an earlier version."""
        first = tomograms.getFirstItem()
        if first is None or all(map(first.hasAttribute, item_attributes.ATTRIBUTES)):
            return
        items = map(item_attributes.add_missing_attributes, item_attributes.items_of(tomograms))
        self.sets.replace(name, list(items), provenance_of(tomograms))

    def _is_judged(self, tomograms):
        """Whether the verdicts of a set were made with the criteria of the form."""
        criteria = criteria_provenance(self.protocol.getCriteria())
        return provenance_of(tomograms, criteria) == criteria

    @retry_on_sqlite_lock(log=logger)
    def _judge_again(self, provenance):
        """Make all verdicts again; the scored set, which has the criteria, is written last."""
        items = item_attributes.items_of(getattr(self.protocol, SCORED_SET))
        before = list(map(item_attributes.decision_of, items))
        criteria = self.protocol.getCriteria()
        measured = {item.getTsId(): item_attributes.measured_of(item) for item in items}
        accepted = accepted_by(criteria, measured)
        groups = {ACCEPTED_SET: [], REJECTED_SET: []}
        for item in items:
            item_attributes.apply_criteria(criteria, item, item.getTsId() in accepted)
            groups[SET_OF[value(item, VERDICT)]].append(item)
        for name, members in groups.items():
            self.sets.replace(name, members, provenance)
        changed = [
            i for i, earlier in zip(items, before) if item_attributes.decision_of(i) != earlier
        ]
        self.sets.update_items(SCORED_SET, changed, provenance)

    def finish(self, provenance):
        """Accept the best N tomograms, which are known only at the end."""
        if self.protocol.atMost.get() and getattr(self.protocol, SCORED_SET, None) is not None:
            self._judge_again(provenance)

    # --------------------------- input --------------------------------------
    def new_items(self, source, is_new):
        """New tomograms, with a problem for duplicate tsIds and missing files."""
        named = list(self._incoming.named(self._incoming.unnamed(source)))
        if named:
            self._note_order(named)
        return [
            (key, item, problem or (None if item.getFileName() else "it has no file"))
            for key, item, problem in named
            if is_new(key)
        ]

    def _note_order(self, named):
        """Pass the order of the input to the report, since tomograms are finished in another order.

        Tomograms in Scipion have no time of acquisition.
        """
        self._positions.update((key, item.getObjId()) for key, item, _ in named)
        order = sorted(self._positions, key=self._positions.get)
        self._report.note_order(dict.fromkeys(order))

    def cost(self, item):
        """Size of the file in bytes; a missing file counts as small, the engine reports it."""
        try:
            return max(os.path.getsize(_absolute_path(item.getFileName())), MIN_COST_BYTES)
        except (OSError, ValueError):
            return MIN_COST_BYTES

    # --------------------------- batches ------------------------------------
    def job_entry(self, key, item):
        """File, voxel size, slices, and half maps of a tomogram with their tilt range."""
        size = self.protocol.voxelSize.get() or item.getSamplingRate()
        return {
            "ts_id": key,
            "path": _absolute_path(item.getFileName()),
            "voxel_size_angstrom": size if size and 0 < size < math.inf else None,
            "z_range": self.protocol.getZRange(),
            **(_half_maps(item) if self.protocol.measureHalves.get() else {}),
        }

    def write_job(self, entries):
        """Write a job with folders for thumbnails and quality maps."""
        maps = os.path.abspath(self.protocol._getExtraPath(reporting.MAPS))
        return exchange.write_job(
            self.batches_folder,
            entries,
            self.protocol.getWeights(),
            thumbnail_dir=os.path.abspath(self._thumbnails),
            map_dir=maps if self.protocol.writeMaps.get() else None,
            calibration=self.protocol.getCalibrationPath(),
        )

    # --------------------------- results ------------------------------------
    def is_up_to_date(self, record, item):
        """Whether file, slices, voxel size, halves, weights and calibration match the record."""
        tomogram = Tomogram(**self.job_entry(record.ts_id, item))
        return is_current(record, tomogram, self.protocol.getMadeBy())

    def outputs_of(self, key, item, record):
        """A scored tomogram with its verdict, which is open until the end for the best N."""
        if record.error:
            reason = cause_first(record.error, record.path)
            logger.error("%s: %s", key, reason)
            return {FAILED_SET: item_attributes.annotate(item, record, error=reason)}
        thumbnail = exchange.thumbnail_of(self._thumbnails, record)
        item_attributes.annotate(item, record, thumbnail=thumbnail, faults=faults_of(record))
        if self.protocol.atMost.get():
            logger.info("%s: TomoScore %.2f", key, record.tomoscore)
            return {SCORED_SET: item}
        item_attributes.apply_criteria(self.protocol.getCriteria(), item)
        verdict, decider = value(item, VERDICT), value(item, DECIDED_BY)
        logger.info("%s: TomoScore %.2f, %s by %s", key, record.tomoscore, verdict, decider)
        return {SET_OF[verdict]: item, SCORED_SET: item}

    def failed_item(self, key, item, reason):
        """A failed tomogram, which the report shows, too."""
        self._report.note_failure(key, item.getFileName(), reason)
        return item_attributes.annotate(item, error=reason)


def _half_maps(item):
    """{"half1", "half2"} and, if known, {"tilt_range_deg"} of a tomogram; {} without two halves."""
    paths = [_absolute_path(half) for half in item.getHalfMaps(asList=True)]
    return {**dict(zip(("half1", "half2"), paths)), **_tilt_range(item)} if len(paths) == 2 else {}


def _tilt_range(item):
    """{"tilt_range_deg": [lowest, highest]} of a tomogram's acquisition; {} where it has none."""
    acquisition = item.getAcquisition()
    if acquisition is None:
        return {}
    angles = [value(acquisition, name) for name in ("_angleMin", "_angleMax")]
    try:
        return {"tilt_range_deg": list(check_tilt_range(angles))}
    except ValueError:  # None, or 0 for both
        return {}


def _absolute_path(name):
    return os.path.abspath(name[: -len(":mrc")] if name.endswith(":mrc") else name)

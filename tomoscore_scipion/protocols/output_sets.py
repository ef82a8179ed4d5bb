# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the output sets of a protocol: creates, appends, replaces, opens and describes them.

No image is opened: dimensions come from the input set, and items are appended by `EMSet.append`.
`SetOfTomograms.append` would read the file of every item (and raise where it is corrupt), and give
every item the sampling rate of its set.
"""

import logging

from pwem.objects import EMSet
from pyworkflow.object import Set
from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.protocols.item_attributes import value
from tomoscore_scipion.protocols.new_items import identities_among
from tomoscore_scipion.records.verdict import ACCEPTED, FAILED, REJECTED

logger = logging.getLogger(__name__)

SCORED_SET = "scoredTomograms"
ACCEPTED_SET = "acceptedTomograms"
REJECTED_SET = "rejectedTomograms"
FAILED_SET = "failedTomograms"
SET_OF = {ACCEPTED: ACCEPTED_SET, REJECTED: REJECTED_SET, FAILED: FAILED_SET}

FROM_INPUT = ("_firstDim", "_isHeterogeneous", "_hasOddEven", "_ctfCorrected")
"""What tomo's own append would read again from each image."""


class OutputSets:
    """The output sets of a protocol, each created with its first item.

    An empty set cannot be published (it has no tables), so that an output without items is not
    created.  One that loses all its items, when verdicts change, stays as an empty set.
    """

    def __init__(self, protocol):
        """Write the outputs of a protocol.

        Args:
            protocol: a TomoScoreProtocol: its `_possibleOutputs` has the classes of the sets, its
                `_provenanceKinds` their attributes, its `_sourcePointer()` leads to the input.
        """
        self._protocol = protocol

    # --------------------------- hooks --------------------------------------
    def _copy_description(self, items):
        """Copy the attributes of the input set that describe its items."""
        items.copyAttributes(self._source(), *FROM_INPUT)

    def _append_item(self, items, item):
        """Append one item to a set."""
        EMSet.append(items, item)

    # --------------------------- items --------------------------------------
    def append(self, name, items, provenance):
        """Append those items that are not in an output set yet; create it where it is missing.

        Args:
            name: of the output.
            items: the items; their order stays.
            provenance: {attribute of the set: value}.
        """
        with self._protocol._lock:
            output = self._get(name)
            if output is not None:
                output.close()  # after a failed attempt: back to what is on the disk
            existing = identities_among(output, items)
            new = [item for item in items if (item.getTsId(), item.getObjId()) not in existing]
            if not new:
                return
            if output is None or output.isEmpty():
                self._write_all(name, new, provenance)
                return
            output.enableAppend()
            self._fill(output, new, provenance)
            self._save(output)

    def replace(self, name, items, provenance):
        """Let an output set have these items only; without items it is not created.

        Args:
            name: of the output.
            items: all its items.
            provenance: {attribute of the set: value}.
        """
        with self._protocol._lock:
            output = self._get(name)
            if items:
                self._write_all(name, items, provenance)
            elif output is not None:
                output._getMapper().deleteAll()
                output._size.set(0)
                self._fill(output, [], provenance)
                self._save(output)

    def update_items(self, name, items, provenance):
        """Write items of an output set again that have changed.

        Args:
            name: of the output.
            items: the changed items.
            provenance: {attribute of the set: value}.
        """
        with self._protocol._lock:
            output = self._get(name)
            for item in items:
                output.update(item)
            self._fill(output, [], provenance)
            self._save(output)

    # --------------------------- all sets -----------------------------------
    def open_all(self):
        """Let consumers wait for more: a run that ended has left its sets closed."""
        with self._protocol._lock:
            for _, output in self._protocol.iterOutputAttributes():
                self._save(output)

    @retry_on_sqlite_lock(log=logger)
    def complete_provenance(self, provenance):
        """Give all outputs the same provenance: the first failed items may come before a record."""
        kinds = self._protocol._provenanceKinds
        with self._protocol._lock:
            for _, output in self._protocol.iterOutputAttributes():
                if any(value(output, name) != provenance.get(name) for name in kinds):
                    self._fill(output, [], provenance)
                    self._save(output)

    # --------------------------- one set ------------------------------------
    def _get(self, name):
        return getattr(self._protocol, name, None)

    def _source(self):
        return self._protocol._sourcePointer().get()

    def _write_all(self, name, items, provenance):
        """Publish a new set with these items, or let the existing one have these only.

        The existing one keeps its file: a reader that has it open would go on reading a deleted
        one.
        """
        output = self._get(name)
        if output is None:
            self._publish(name, items, provenance)
            return
        output._getMapper()
        output.clear()
        self._fill(output, items, provenance)
        self._save(output)

    def _publish(self, name, items, provenance):
        protocol, source = self._protocol, self._protocol._sourcePointer()
        output = protocol._possibleOutputs[name].create(protocol._getPath(), suffix=name)
        output.copyInfo(source.get())
        output.setStreamState(Set.STREAM_OPEN)
        self._fill(output, items, provenance)
        output.write()
        protocol._defineOutputs(**{name: output})
        self._sort_names()
        protocol._defineSourceRelation(source, output)
        protocol._store(output)
        output.close()

    def _sort_names(self):
        """Let windows list the outputs in the order of `_possibleOutputs`, their own last."""
        order, names = list(self._protocol._possibleOutputs), self._protocol._outputs
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
        self._protocol._store(names)

    def _fill(self, output, items, provenance):
        self._copy_description(output)
        for name, kind in self._protocol._provenanceKinds.items():
            setattr(output, name, kind(provenance.get(name)))
        used_ids = {number for _, number in identities_among(output, items)}
        for item in items:
            if item.getObjId() in used_ids:
                item.setObjId(None)  # another tomogram's, from before the input was made again
            self._append_item(output, item)

    def _save(self, output):
        output.setStreamState(Set.STREAM_OPEN)
        output.write()
        self._protocol._store(output)
        output.close()

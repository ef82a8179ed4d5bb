# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, extend, replace and describe the output sets of a protocol.

No image is opened: dimensions are copied from the input set, and items are appended by
`EMSet.append`. `SetOfTomograms.append` would read the file of every item (and raise an error for
corrupt files), and set the sampling rate of the set on every item.
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
"""Attributes copied from the input; the append method of tomo would read them from each image."""


class OutputSets:
    """The output sets of a protocol, each created with its first item.

    An empty set has no tables and cannot be published, so an output without items is not created.
    An output that loses all its items, when verdicts change, stays as an empty set.
    """

    def __init__(self, protocol):
        """Write the outputs of a protocol.

        Args:
            protocol: a TomoScoreProtocol. `_possibleOutputs` has the classes of the sets,
                `_provenanceKinds` their attributes, and `_sourcePointer()` points to the input.
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
        """Append items that are not in an output set yet; create the set if it is missing.

        Args:
            name: name of the output.
            items: the items, in the order of the output.
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
        """Replace all items of an output set; a missing set is not created without items.

        Args:
            name: name of the output.
            items: all items of the set.
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
        """Write changed items of an output set again.

        Args:
            name: name of the output.
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
        """Open the streams of all outputs, which an earlier run closed, so that consumers wait."""
        with self._protocol._lock:
            for _, output in self._protocol.iterOutputAttributes():
                self._save(output)

    @retry_on_sqlite_lock(log=logger)
    def complete_provenance(self, provenance):
        """Set the provenance of all outputs; sets of failed items may precede the first record."""
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
        """Publish a new set with these items, or replace the items of the existing set.

        The existing set keeps its file, because a reader with the file open would otherwise
        continue to read a deleted file.
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
        """Sort the outputs in windows of Scipion in the order of `_possibleOutputs`."""
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

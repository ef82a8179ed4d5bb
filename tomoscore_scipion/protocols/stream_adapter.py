# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface between the stream runner and a protocol: all hooks for its items."""

import os

from tomoscore_scipion.protocols.output_sets import OutputSets
from tomoscore_scipion.protocols.reporting import BATCHES, NoReport


class StreamAdapter:
    """The part of a streaming protocol that depends on the kind of its items.

    The runner calls, in this order: `resume` once at the start; `new_items` when the input is
    read; `cost`, `job_entry` and `write_job` when a batch is made; `outputs_of` for each record,
    `failed_item` for each item that has none; `finish` at the end.

    Attributes:
        command: command of the engine.
        item_name: name of the items in messages, plural.
        done_set: name of the output set whose items are done.
        failed_set: name of the output set of failed items.
        write_order: names of the output sets in the order in which they are written; `done_set`
            is the last one.
    """

    command = "score"
    item_name = "tomograms"
    done_set = failed_set = None
    write_order = ()

    def __init__(self, protocol, sets=OutputSets):
        """Serve one run of a protocol.

        Args:
            protocol: the EngineProtocol with a complete form.
            sets: class that writes the output sets, an OutputSets.
        """
        self.protocol = protocol
        self.sets = sets(protocol)
        self.batches_folder = os.path.abspath(protocol._getExtraPath(BATCHES))

    def read_record(self, line):
        """The record of one line from the engine; raises ValueError if it is not a record."""
        raise NotImplementedError

    def provenance(self):
        """{attribute of the output sets: value} of the form's settings."""
        return self.protocol.getScoringSettings()

    def reporter(self):
        """The object that makes reports beside the run: a Reporter, or NoReport."""
        return NoReport()

    def resume(self, outputs, lost, provenance):
        """Adapt outputs of an earlier run to the form, before anything is appended.

        Args:
            outputs: {name: output set} of the existing outputs.
            lost: names of outputs that must be made again.
            provenance: {attribute of the output sets: value}.
        """

    def new_items(self, source, is_new):
        """Copies of the items that were not seen before.

        Args:
            source: the input set, opened and locked.
            is_new: function that returns whether an id is new to the runner.

        Returns:
            [(id, item, problem)]; the problem is a message if the engine cannot process the item,
            else None.
        """
        raise NotImplementedError

    def cost(self, item):
        """Cost estimate of an item, proportional to its run time."""
        return 1

    def job_entry(self, key, item):
        """The entry of an item in the job file, a dict; `key` is its id."""
        raise NotImplementedError

    def write_job(self, entries):
        """Create the folder of the next batch with its job file; returns the folder."""
        raise NotImplementedError

    def is_up_to_date(self, record, item):
        """Whether the record of an earlier run is still valid for this item."""
        raise NotImplementedError

    def outputs_of(self, key, item, record):
        """Copy a record into its item.

        Returns:
            {name of an output set: item to append to it}.
        """
        raise NotImplementedError

    def failed_item(self, key, item, reason):
        """The item for the failed set, if the engine wrote no record of it."""
        raise NotImplementedError

    def finish(self, provenance):
        """Complete the outputs after the last item; `provenance` as for `resume`."""

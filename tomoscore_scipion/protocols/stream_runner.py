# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream runner: finds new items, makes batches, runs the engine, and registers its records.

The stream runner works in the generator step of a protocol and is the only writer of the outputs.
The engine runs in parallel steps (engine_slots.py); its records are registered as they are written.
An adapter (stream_adapter.py) has the methods that depend on the kind of items.
"""

import logging
import time

from pyworkflow.utils.retry_streaming import retry_on_sqlite_lock

from tomoscore_scipion.protocols import exchange, recovery
from tomoscore_scipion.protocols.batches import Batches
from tomoscore_scipion.protocols.engine_slots import EngineSlots
from tomoscore_scipion.protocols.item_attributes import errors_of
from tomoscore_scipion.protocols.new_items import known_ids
from tomoscore_scipion.protocols.provenance import engine_provenance, provenance_of

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""Time between two reads of the engine's results."""
INPUT_POLL_S = 3.0
"""Time between two reads of the input while it grows."""
FAILURES_SHOWN = 3


class NothingScoredError(Exception):
    """All items failed, or there were no items; the message has the reason."""


class StreamRunner:
    """One run of a streaming protocol.

    Attributes:
        slots: the EngineSlots, on which the protocol's scoring steps work.
    """

    def __init__(self, protocol, adapter):
        """Repair and open the outputs, before consumers see that they are closed.

        Args:
            protocol: the EngineProtocol.
            adapter: StreamAdapter of the protocol.
        """
        self._protocol = protocol
        self._adapter = adapter
        self._lost = recovery.mend_outputs(protocol)
        adapter.sets.open_all()
        self.slots = EngineSlots(protocol, adapter.command)
        self._batches = Batches(self.slots.count)
        self._engine = {}  # provenance of the records
        self._unclaimed = {}  # {id: record} from an earlier run, of items not seen yet

    def run(self):
        """Process the input until it is complete; reports are made at intervals and at the end.

        Raises:
            NothingScoredError: no item was processed successfully.
            EngineDiedError: the engine cannot process any item.
        """
        try:
            with self._adapter.reporter() as self._report:
                self._run()
        finally:
            self.slots.close()

    def _run(self):
        self._records = exchange.Records(self._adapter.batches_folder, self._adapter.read_record)
        self._resume()
        next_read, more_to_come = 0.0, True
        # Scipion ends a run with a failed step only after this step has ended.
        while not self._protocol.isFailed():
            if more_to_come and time.monotonic() >= next_read:
                more_to_come = self._read_input()
                next_read = time.monotonic() + INPUT_POLL_S
            ended = self.slots.newly_ended()  # before the records, so that none is missed
            self._register_records()
            for folder in ended:
                self._end_batch(folder)
            if not more_to_come and not self._batches.busy:
                self._finish()
                return
            self._start_batches()
            self._report.turn()
            time.sleep(POLL_S)

    def _provenance(self):
        return {**self._engine, **self._adapter.provenance()}

    # --------------------------- start --------------------------------------
    def _resume(self):
        """Continue from the items of an earlier run, which may have been stopped at any point."""
        outputs = dict(self._protocol.iterOutputAttributes())
        if outputs:
            done = outputs.get(self._adapter.done_set)
            with self._protocol._lock:
                known_ids_ = known_ids(done, outputs.get(self._adapter.failed_set))
            self._batches.mark_done(known_ids_)
            logger.info("Continuing: %d %s are done.", len(known_ids_), self._adapter.item_name)
            if done is not None:
                self._engine = provenance_of(done, self._protocol._provenanceKinds)
        self._adapter.resume(outputs, self._lost, self._provenance())

    # --------------------------- input --------------------------------------
    @retry_on_sqlite_lock(log=logger)
    def _read_input(self):
        """Add new items to the batches; returns whether more items may come."""
        source = self._protocol._sourcePointer().get()
        with self._protocol._lock:
            source.close()  # a set that was opened empty stays so
            source.loadAllProperties()
            # Read this before the items, so that items added in between are read the next time.
            more_to_come = source.isStreamOpen()
            new = self._adapter.new_items(source, self._batches.is_new)
            source.close()
        problems = []
        for key, item, problem in new:
            if problem:
                self._batches.mark_done([key])
                problems.append((key, item, problem))
            else:
                self._batches.add(key, item, self._adapter.cost(item))
        self._append_failed(problems)
        return more_to_come

    # --------------------------- batches ------------------------------------
    def _start_batches(self):
        items = self._batches.next()
        while items:
            entries = [self._adapter.job_entry(key, item) for key, item in items.items()]
            folder = str(self._adapter.write_job(entries))
            self._records.watch(folder)
            self._batches.start(folder, items)
            self.slots.submit(folder)
            items = self._batches.next()

    def _end_batch(self, folder):
        """Fail items on which engines died repeatedly; retry other items without a record."""
        message, could_not_start = exchange.said_last(folder)
        given_up = self._batches.end(folder, message, could_not_start)
        reason = f"the engine died over it. It said: {message}"
        self._append_failed([(key, item, reason) for key, item in given_up.items()])

    # --------------------------- outputs ------------------------------------
    def _register_records(self):
        """Append items with new records to the outputs."""
        self._unclaimed.update((record.ts_id, record) for record in self._records.new())
        groups = {}
        for key in [key for key in self._unclaimed if not self._batches.is_new(key)]:
            record = self._unclaimed.pop(key)
            item = self._claim(key, record)
            if item is None:
                continue
            self._report.ask()
            self._note(record)
            for name, output_item in self._adapter.outputs_of(key, item, record).items():
                groups.setdefault(name, []).append(output_item)
        self._append(groups)

    def _claim(self, key, record):
        """The item of a record; None if it is not expected or the record is out of date."""
        waiting = self._batches.waiting(key)
        if waiting is not None and not self._adapter.is_up_to_date(record, waiting):
            return None
        return self._batches.complete(key)

    def _note(self, record):
        """Log the warnings of a record, and store its engine and model for the provenance."""
        for warning in record.warnings:
            logger.warning("%s: %s", record.ts_id, warning)
        if record.model:
            self._engine = engine_provenance(record)

    def _append_failed(self, failures):
        """Append (id, item, reason) to the failed set."""
        for key, _, reason in failures:
            logger.error("%s: %s", key, reason)
        items = [self._adapter.failed_item(*failure) for failure in failures]
        self._append({self._adapter.failed_set: items})

    @retry_on_sqlite_lock(log=logger)
    def _append(self, groups):
        """Append {output set: items}; the done set comes last."""
        for name in self._adapter.write_order:
            if groups.get(name):
                self._adapter.sets.append(name, groups[name], self._provenance())

    # --------------------------- end ----------------------------------------
    def _finish(self):
        self._adapter.finish(self._provenance())
        self._adapter.sets.complete_provenance(self._provenance())
        with self._protocol._lock:
            self._protocol._closeOutputSet()
            if getattr(self._protocol, self._adapter.done_set, None) is None:
                raise NothingScoredError(self._why_nothing())

    def _why_nothing(self):
        name = self._adapter.item_name
        failed = getattr(self._protocol, self._adapter.failed_set, None)
        if failed is None:
            return f"the input has no {name}"
        errors = errors_of(failed)
        first = "; ".join(f"{ts_id}: {error}" for ts_id, error in errors[:FAILURES_SHOWN])
        return f"none of {len(errors)} {name} could be scored. {first}"

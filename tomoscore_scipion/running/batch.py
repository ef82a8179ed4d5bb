# SPDX-License-Identifier: GPL-3.0-or-later
"""Process the items of a batch in order; a failed item does not stop the batch."""

from __future__ import annotations

from typing import Callable, Sequence

from tomoscore_scipion.running.progress import Silent
from tomoscore_scipion.running.stopping import deferred
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.running.work import ItemType, RecordType


def run(
    supervisor: Supervisor[ItemType, RecordType],
    items: Sequence[ItemType],
    on_record: Callable[[RecordType], None],
    progress: Silent | None = None,
) -> None:
    """Process items in their order with one model.

    Args:
        supervisor: processes single items.
        items: the items.
        on_record: called with each record as soon as it is finished, failed or not.
        progress: shows the progress; None to show nothing.

    Raises:
        KeyboardInterrupt: the user stopped the batch, after `on_record` for all finished records.
        StartError: the batch cannot continue, after `on_record` for all finished records.
    """
    progress = progress or Silent()
    try:
        with deferred() as check:
            for item in items:
                progress.start(item.ts_id)
                record = supervisor.process(item, progress, check)
                on_record(record)
                progress.finish(record)
    finally:
        progress.close()

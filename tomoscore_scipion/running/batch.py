# SPDX-License-Identifier: GPL-3.0-or-later
"""One item of a batch after another; one that fails does not stop the others."""

from __future__ import annotations

from typing import Callable, Sequence

from tomoscore_scipion.running.progress import Silent
from tomoscore_scipion.running.stopping import noted
from tomoscore_scipion.running.supervisor import Supervisor
from tomoscore_scipion.running.work import AnyItem, AnyRecord


def run(
    supervisor: Supervisor[AnyItem, AnyRecord],
    items: Sequence[AnyItem],
    on_record: Callable[[AnyRecord], None],
    progress: Silent | None = None,
) -> None:
    """Work on items in their order with one model.

    Args:
        supervisor: has them worked on.
        items: what to work on.
        on_record: called with each record as soon as it is there, failed or not.
        progress: shows how far it is; nothing is shown when None.

    Raises:
        KeyboardInterrupt: the user stopped it; `on_record` has had all finished records.
        StartError: it cannot go on; `on_record` has had all finished records.
    """
    progress = progress or Silent()
    try:
        with noted() as check:
            for item in items:
                progress.start(item.ts_id)
                record = supervisor.do(item, progress, check)
                on_record(record)
                progress.finish(record)
    finally:
        progress.close()

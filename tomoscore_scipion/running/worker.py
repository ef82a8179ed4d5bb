# SPDX-License-Identifier: GPL-3.0-or-later
"""The child process of the supervisor: loads the model once, then answers requests in order.

Requests are lines of JSON on standard input, answers are lines of JSON on standard output. All
other output of libraries is redirected to standard error.

    {"weights": null, "device": "auto", "threads": null, "debug": false,
     "work": {"module": ..., "name": ..., "settings": {...}}}   first request, see work.py
    -> {"ready": {"model": {...}, "device": "cpu", "notices": [...]}}
    -> {"refused": reason} or {"missing_package": name}

    {"ts_id": ..., "path": ..., "voxel_size_angstrom": null, ...}          each item
    -> {"bytes": size of its file}, {"slices": [done, all]} ...,
       {"record": {...}, "reusable": whether this process can take another item}

The process ends at the end of its standard input, even during a calculation, because its parent has
ended then.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, TextIO

from tomoscore_scipion import __version__
from tomoscore_scipion.records.errors import StartError, TomogramError
from tomoscore_scipion.running.work import Work, work_from

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer

Answer = Callable[[dict], None]

GPU_MEMORY = "the GPU's memory did not suffice: free it, or choose another device (--device cpu)"


def main() -> int:
    """Answer the requests of the parent process until it ends or closes the pipe."""
    faulthandler.enable()  # prints a traceback on standard error after a crash
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(message: dict) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    serve(_lines_until_the_end(sys.stdin), answer)
    return 0


def _lines_until_the_end(stream: TextIO) -> Iterator[str]:
    """Lines of a stream as they arrive; the process exits when the stream ends."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def serve(requests: Iterable[str], answer: Answer) -> None:
    """Answer requests in the format of the module docstring.

    Args:
        requests: lines of JSON; the first one names the model and the work.
        answer: called with each answer.
    """
    waiting = iter(requests)
    start = json.loads(next(waiting))
    work = work_from(start["work"])
    scorer = _load(start, answer)
    if scorer is None:
        return
    ready = {"model": scorer.model, "device": scorer.device, "notices": list(scorer.notices)}
    answer({"ready": ready})
    for line in waiting:
        _serve_one(work, scorer, work.item_of(json.loads(line)), answer, start["debug"])


def _load(start: dict[str, Any], answer: Answer) -> Scorer | None:
    """The model on its device; None if it cannot be loaded, after an answer with the reason."""
    try:
        from tomoscore_scipion.model.scorer import Scorer

        if start["threads"]:
            import torch

            torch.set_num_threads(start["threads"])
        return Scorer.load(weights=start["weights"], device=start["device"])
    except StartError as error:
        if start["debug"]:
            traceback.print_exc(file=sys.stderr)
        answer({"refused": str(error)})
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "tomoscore_scipion":
            raise
        answer({"missing_package": error.name})
    return None


def _serve_one(
    work: Work[Any, Any], scorer: Scorer, item: Any, answer: Answer, debug: bool
) -> None:
    """Process one item; any error becomes a failed record with the reason."""
    begin = time.perf_counter()
    reusable = True
    try:
        answer({"bytes": _size_of(item.path)})
        record = work.process(scorer, item, lambda done, total: answer({"slices": [done, total]}))
    except Exception as error:  # the only boundary: other items must still be processed
        if debug:
            traceback.print_exc(file=sys.stderr)
        reusable = isinstance(error, TomogramError)  # not after a bug or a GPU error
        record = work.failed(
            item,
            reason_of(error),
            model=scorer.model,
            engine_version=__version__,
            device=scorer.device,
            seconds=round(time.perf_counter() - begin, 3),
        )
    answer({"record": record.to_dict(), "reusable": reusable})


def _size_of(path: str) -> int:
    """Size of a file in bytes; 0 for a missing file, which is reported when it is opened."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def reason_of(error: Exception) -> str:
    """Reason of a failure for the record: the message, with the type of an unexpected error."""
    if isinstance(error, TomogramError) and str(error):
        return str(error)
    if type(error).__name__ == "OutOfMemoryError":  # of torch, which is not imported here
        return f"{GPU_MEMORY} ({str(error).splitlines()[0]})"
    if isinstance(error, MemoryError):
        return f"MemoryError: the memory did not suffice {error}".rstrip()
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)"

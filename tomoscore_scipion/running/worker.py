# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that works: it loads the model once, then answers one request after another.

Requests come as lines of JSON on standard input, answers go as lines of JSON to what was standard
output; whatever else a library prints goes to standard error.

    {"weights": null, "device": "auto", "threads": null, "debug": false,
     "work": {"module": ..., "name": ..., "how": {...}}}        first, see work.py
    -> {"ready": {"model": {...}, "device": "cpu", "notices": [...]}}
    -> {"refused": why} or {"missing_package": name}

    {"ts_id": ..., "path": ..., "voxel_size_angstrom": null, ...}          each item
    -> {"bytes": size of its file}, {"slices": [done, all]} ...,
       {"record": {...}, "sound": whether this process is to be trusted with another one}

It ends when its standard input does, whatever it is doing then: nobody is left who would listen.
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
from tomoscore_scipion.running.work import Work, work_of

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer

Answer = Callable[[dict], None]

GPU_MEMORY = "the GPU's memory did not suffice: free it, or choose another device (--device cpu)"


def main() -> int:
    """Serve the process that started this one until it is gone or closes the pipe."""
    faulthandler.enable()  # says on standard error where a crash happened
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(message: dict) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    serve(_lines_until_the_end(sys.stdin), answer)
    return 0


def _lines_until_the_end(stream: TextIO) -> Iterator[str]:
    """The lines of a stream as they come; at its end the process ends, even amid other work."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def serve(requests: Iterable[str], answer: Answer) -> None:
    """Answer requests, see above.

    Args:
        requests: lines of JSON; the first one says what to load.
        answer: called with each answer.
    """
    coming = iter(requests)
    start = json.loads(next(coming))
    work = work_of(start["work"])
    scorer = _load(start, answer)
    if scorer is None:
        return
    ready = {"model": scorer.model, "device": scorer.device, "notices": list(scorer.notices)}
    answer({"ready": ready})
    for line in coming:
        _serve_one(work, scorer, work.item_of(json.loads(line)), answer, start["debug"])


def _load(start: dict[str, Any], answer: Answer) -> Scorer | None:
    """The model on its device; None when that cannot be, which was answered then."""
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
    """Work on one item; whatever goes wrong with it becomes a failed record with the reason."""
    begin = time.perf_counter()
    sound = True
    try:
        answer({"bytes": _size_of(item.path)})
        record = work.do(scorer, item, lambda done, total: answer({"slices": [done, total]}))
    except Exception as error:  # the one boundary: the other items must still be worked on
        if debug:
            traceback.print_exc(file=sys.stderr)
        sound = isinstance(error, TomogramError)  # after a bug, or a GPU's fault, nothing is sure
        record = work.failed(
            item,
            reason_of(error),
            model=scorer.model,
            engine_version=__version__,
            device=scorer.device,
            seconds=round(time.perf_counter() - begin, 3),
        )
    answer({"record": record.to_dict(), "sound": sound})


def _size_of(path: str) -> int:
    """Bytes of a file, 0 where there is none: why not is said when it is opened."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0


def reason_of(error: Exception) -> str:
    """Why an item failed, for its record: our own message, or type and message of a bug."""
    if isinstance(error, TomogramError) and str(error):
        return str(error)
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not loaded for its name
        return f"{GPU_MEMORY} ({str(error).splitlines()[0]})"
    if isinstance(error, MemoryError):
        return f"MemoryError: the memory did not suffice {error}".rstrip()
    return f"{type(error).__name__}: {error} (unexpected; --debug shows where)"

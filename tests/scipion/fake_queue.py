# SPDX-License-Identifier: GPL-3.0-or-later
"""A queue of one machine: jobs start at once, see GPU 7 only, and tell nobody how they ended.

python fake_queue.py submit SCRIPT     starts it, prints its number
python fake_queue.py check NUMBER      prints the number while it runs

With the variable FAKE_QUEUE_ERROR it refuses jobs, with that reason.
"""

import os
import subprocess
import sys

import psutil


def submit(script):
    if os.environ.get("FAKE_QUEUE_ERROR"):
        sys.exit(os.environ["FAKE_QUEUE_ERROR"])
    with open(script + ".out", "w") as output:
        job = subprocess.Popen(
            ["sh", script],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "7"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    print(job.pid)


def check(number):
    there = psutil.pid_exists(int(number))
    if there and psutil.Process(int(number)).status() != psutil.STATUS_ZOMBIE:
        print(number)


if __name__ == "__main__":
    {"submit": submit, "check": check}[sys.argv[1]](sys.argv[2])

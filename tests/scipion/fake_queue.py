# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake batch queue: jobs start at once, see only GPU 7, and do not report their exit status.

python fake_queue.py submit SCRIPT     starts a job, prints its number
python fake_queue.py check NUMBER      prints the number while the job runs

If FAKE_QUEUE_ERROR is set, it refuses jobs with that message.
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
    exists = psutil.pid_exists(int(number))
    if exists and psutil.Process(int(number)).status() != psutil.STATUS_ZOMBIE:
        print(number)


if __name__ == "__main__":
    {"submit": submit, "check": check}[sys.argv[1]](sys.argv[2])

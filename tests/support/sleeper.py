"""A job that sleeps: what tests of tasks/jobs.py start."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import Job
from tasks import jobs, storage

NAP = 0.1


class SleeperJob(Job):
    seconds: float
    fails_with: str


def sleep(job: SleeperJob) -> dict[str, Any]:
    def save_and_leave(number: int, frame: FrameType | None) -> None:
        storage.write_bytes(storage.join(job.output, "saved"), b"what it had")
        os._exit(jobs.TERMINATED)

    signal.signal(signal.SIGTERM, save_and_leave)
    print("sleeping", flush=True)
    with (Path(job.output) / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if job.fails_with:
        raise BadInput(job.fails_with)
    naps = round(job.seconds / NAP) + 1
    for nap in range(naps):
        jobs.report_progress(job.output, nap + 1, naps, "naps")
        time.sleep(NAP if job.seconds else 0)
    return {"slept": job.seconds}


if __name__ == "__main__":
    jobs.main(SleeperJob, sleep)

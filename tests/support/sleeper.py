"""A job that sleeps: what the tests of tasks/jobs start. It can die, freeze or fail on its first attempts."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from schemas.errors import BadInput, JobLost
from schemas.jobs import Job
from tasks import jobs
from tasks.ledger import storage

NAP = 0.1


class SleeperJob(Job):
    seconds: float = 0.0
    fails_with: str = ""
    signals: tuple[int, ...] = ()
    """What it sends itself, an attempt each; what comes after them sleeps undisturbed."""
    hangs: float = 0.0
    """Seconds for which its first attempt does nothing, while its heart beats."""
    saving: float = 0.0
    """Seconds that it takes to save what it has."""
    reports: int | None = None
    """How many naps it reports; None for all."""
    loses: bool = False
    """Whether a part of it dies on every attempt."""


def sleep(job: SleeperJob) -> dict[str, Any]:
    def save_and_leave(number: int, frame: FrameType | None) -> None:
        time.sleep(job.saving)
        storage.write_bytes(storage.join(job.output, "saved"), b"what it had")
        raise SystemExit(jobs.TERMINATED)

    signal.signal(signal.SIGTERM, save_and_leave)
    print("sleeping", flush=True)
    starts = Path(job.output) / "starts"
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if job.fails_with:
        raise BadInput(job.fails_with)
    if job.loses:
        raise JobLost("a rank was ended by signal 9")
    attempt = len(starts.read_text().splitlines())
    time.sleep(job.hangs if attempt == 1 else 0)
    naps = round(job.seconds / NAP) + 1
    for nap in range(naps):
        if job.reports is None or nap < job.reports:
            jobs.report_progress(job.output, nap + 1, naps, "naps")
        time.sleep(NAP if job.seconds else 0)
        if attempt <= len(job.signals):
            os.kill(os.getpid(), job.signals[attempt - 1])
    return {"slept": job.seconds}


if __name__ == "__main__":
    jobs.main(SleeperJob, sleep)

"""Stands in for a training program in the tests of trainers.ranks.launch: imports little, and reports its input.

python -m tests.support.ranks CONFIG.json     where ``start`` of the job says what each rank does
"""

import atexit
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import TrainingJob
from tasks import jobs
from trainers.ranks import launch
from trainers.ranks.stopping import StopSignal


def _train(job: TrainingJob) -> dict[str, Any]:
    rank, stop = int(os.environ["RANK"]), StopSignal(job.output)
    Path(job.output, f"rank-{rank}").write_text(str(os.getpid()))
    with Path(job.output, f"starts-{rank}").open("a") as starts:
        starts.write("started\n")
    times = len(Path(job.output, f"starts-{rank}").read_text().splitlines())
    if job.start == "abort as it ends":
        atexit.register(os.abort)
    if job.start == "refuse" and rank == 1:
        raise BadInput("rank 1 does not like it")
    if job.start == "die at once" and (rank, times) == (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.start == "die" and rank == 1:
        time.sleep(5.0)  # so that Ray Train has looked at it: else it gives up by itself
        os.kill(os.getpid(), signal.SIGKILL)
    deadline = time.monotonic() + 60 * (job.start in ("wait", "refuse", "die", "die as it saves", "fail as it saves"))
    while time.monotonic() < deadline:
        if stop.received:
            _save_and_leave(job.start, rank)
        time.sleep(0.02)
    return {"threads": os.environ["OMP_NUM_THREADS"], "ranks": os.environ["WORLD_SIZE"]}


def _save_and_leave(what: str, rank: int) -> None:
    if what == "die as it saves" and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fail as it saves" and rank == 1:
        raise BadInput("rank 1 cannot write")
    if what.endswith("as it saves"):
        time.sleep(60.0)  # for the other one, in a collective
    sys.exit(jobs.TERMINATED)


if __name__ == "__main__":
    jobs.main(TrainingJob, lambda job: launch.on_ranks("tests.support.ranks", job, _train))

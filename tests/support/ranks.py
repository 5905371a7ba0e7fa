"""Stands for a training program in the tests of trainers.launch: imports nothing heavy, and says what it is told.

python -m tests.support.ranks CONFIG.json     where ``start`` of the job says what each rank does
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from schemas.errors import BadInput
from schemas.jobs import TrainingJob
from tasks import jobs
from trainers import launch


def _train(job: TrainingJob) -> dict[str, Any]:
    rank = int(os.environ["RANK"])
    Path(job.output, f"rank-{rank}").write_text(str(os.getpid()))
    if job.start == "refuse" and rank == 1:
        raise BadInput("rank 1 does not like it")
    if job.start in ("wait", "refuse"):
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(jobs.TERMINATED))
        time.sleep(60)
    return {"threads": os.environ["OMP_NUM_THREADS"], "ranks": os.environ["WORLD_SIZE"]}


if __name__ == "__main__":
    jobs.main(TrainingJob, lambda job: launch.on_ranks("tests.support.ranks", job, _train))

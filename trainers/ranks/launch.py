"""A training program on several ranks: the same program again, once a rank.

The environment of a rank is that of ``torchrun`` (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT): started by
``torchrun`` on many machines the programs here run as they are. Started plainly a program asks ``job.placement``:
`distributed` and `shared` have the ranks placed in a Ray cluster (trainers.ray_ranks); `together` with
``job.ranks > 1`` makes it a light parent without torch, which starts the ranks on this machine, passes SIGTERM on to
them, and ends them all when one fails. Those ranks die with their parent, even by SIGKILL.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any, TypeVar

from schemas.errors import JobLost, MaskSearchError
from schemas.jobs import TrainingJob
from tasks.capacity.devices import this_machine
from tasks.capacity.processes import die_with_parent, free_port
from tasks.jobs import TERMINATED
from trainers.ranks.admission import refuse_unfit

Job = TypeVar("Job", bound=TrainingJob)

COLLECTIVE_TIMEOUT = timedelta(minutes=30)
"""How long a rank waits for the others' tensors: each trains the same number of micro-batches, so that one that is
late for so long hangs. (For what rank 0 does alone they wait in `trainers.ranks.deepspeed_engine.WAITING_TIMEOUT`.)"""

_PARENT = "MASKSEARCH_PARENT"
_GRACE_SECONDS = 60.0


def on_ranks(module: str, job: Job, train: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Run ``train``, a function of ``module``, here or on as many ranks as the job asks for, where it places them.

    Gives back the figures in one process alone; all others exit, with the exit code of what failed.

    Raises:
        BadInput: the job's model does not fit it or the machines (trainers.admission); nothing was started.
    """
    if "RANK" not in os.environ:
        if job.placement.is_in_cluster:
            from trainers.ranks import ray_ranks

            return ray_ranks.run(module, train.__name__, job)
        refuse_unfit(job, [this_machine()])
        if job.ranks > 1:
            sys.exit(_Ranks(module, sys.argv[1], job).wait())
    _die_with_parent()
    # Read by OpenMP when torch is imported, and by DeepSpeed, which would otherwise look for MPI.
    os.environ.setdefault("OMP_NUM_THREADS", str(job.threads_per_rank))
    for name, value in environment_of(rank=0, ranks=1, port=0).items():
        os.environ.setdefault(name, value)
    try:
        figures = train(job)
    except (MaskSearchError, SystemExit):  # all ranks end so, in step; of any other error the others do not know
        leave_group()
        raise
    leave_group()
    if os.environ["RANK"] != "0":
        sys.exit(0)
    return figures


def leave_group() -> None:
    """End this rank's part in the ranks' group: what is left of one may abort the process as it exits."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def environment_of(rank: int, ranks: int, port: int) -> dict[str, str]:
    """What ``torchrun`` would tell a rank; port 0 for a rank that is alone."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _die_with_parent() -> None:
    """Ask the kernel to end this rank when its parent ends; where that has happened already, end now."""
    parent = os.environ.get(_PARENT)
    if parent is None:
        return
    if not die_with_parent(int(parent)):
        sys.exit(TERMINATED)


class _Ranks:
    """The processes of one job."""

    def __init__(self, module: str, config: str, job: TrainingJob) -> None:
        self._told_to_stop = False
        self._processes: list[subprocess.Popen[bytes]] = []
        signal.signal(signal.SIGTERM, self._pass_on)
        port = free_port()
        shared = {**os.environ, _PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(job.threads_per_rank)}
        for rank in range(job.ranks):
            environment = {**shared, **environment_of(rank, job.ranks, port)}
            self._processes.append(subprocess.Popen([sys.executable, "-m", module, config], env=environment))
        if self._told_to_stop:
            self._signal_all(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code of the job: that of the first rank that failed, or 143 where all left as they were told to.

        Raises:
            JobLost: a rank was ended from outside.
        """
        while not any(codes := self._codes()):
            if None not in codes:
                return 0
            time.sleep(0.05)
        # Ranks that were told to stop finish by themselves; those that wait for a failed one never would.
        failed = self._failed(codes) or self._failed(self._codes_at_the_end())
        self._end_all()
        if not failed:
            return TERMINATED
        code = failed[0]
        if code < 0:
            raise JobLost(f"a rank was ended by signal {-code} (9 may mean that memory ran out); run again to go on")
        return code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._told_to_stop = True
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number)

    def _codes(self) -> list[int | None]:
        return [process.poll() for process in self._processes]

    def _codes_at_the_end(self) -> list[int | None]:
        """Once all ranks have ended, or were given time enough to."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while None in (codes := self._codes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return codes

    def _failed(self, codes: list[int | None]) -> list[int]:
        """The exit codes of ranks that did not leave as they were told to: SIGTERM ends one that is starting yet."""
        as_told = (TERMINATED, -signal.SIGTERM) if self._told_to_stop else (TERMINATED,)
        return [code for code in codes if code and code not in as_told]

    def _end_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for process in self._processes:
            process.wait()

"""Run a training program on several ranks: the same program once for each rank.

The environment of a rank is that of ``torchrun`` (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), so the
programs also run under ``torchrun`` on many machines. Without it, ``job.placement`` decides. In the layouts
`distributed` and `shared` the ranks run in a Ray cluster (trainers.ranks.ray_ranks). In `together` with ``job.ranks >
1`` the program becomes a light parent without torch: it starts the ranks on this machine, forwards SIGTERM to them, and
ends all of them when one fails. The ranks end with their parent, even if it dies by SIGKILL.
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
"""How long a rank waits for the tensors of other ranks. All ranks train the same number of micro-batches, so a rank
that is this late hangs. For work that rank 0 does alone see `trainers.ranks.deepspeed_engine.WAITING_TIMEOUT`."""

_PARENT = "MASKSEARCH_PARENT"
_GRACE_SECONDS = 60.0


def on_ranks(module: str, job: Job, train: Callable[[Job], dict[str, Any]]) -> dict[str, Any]:
    """Run ``train``, a function of ``module``, on the job's ranks, where its placement puts them.

    Returns the figures in one process only. All other processes exit, with the exit code of a failure if there is one.

    Raises:
        BadInput: the job's model does not fit the job or the machines (trainers.ranks.admission). Nothing was started.
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
    except (MaskSearchError, SystemExit):
        # All ranks raise these errors together, so all of them leave the group. After any other error this rank must
        # not try to: the others do not know of the error, and leaving may wait for them.
        leave_group()
        raise
    leave_group()
    if os.environ["RANK"] != "0":
        sys.exit(0)
    return figures


def leave_group() -> None:
    """Leave the process group: a group that is still open may abort the process at its exit."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def environment_of(rank: int, ranks: int, port: int) -> dict[str, str]:
    """The environment variables that ``torchrun`` sets for a rank; port 0 for a single rank."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _die_with_parent() -> None:
    """Have the kernel end this rank when its parent ends; if the parent has already ended, exit now."""
    parent = os.environ.get(_PARENT)
    if parent is None:
        return
    if not die_with_parent(int(parent)):
        sys.exit(TERMINATED)


class _Ranks:
    """The processes of one job."""

    def __init__(self, module: str, config: str, job: TrainingJob) -> None:
        self._stop_requested = False
        self._processes: list[subprocess.Popen[bytes]] = []
        signal.signal(signal.SIGTERM, self._pass_on)
        port = free_port()
        shared = {**os.environ, _PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(job.threads_per_rank)}
        for rank in range(job.ranks):
            environment = {**shared, **environment_of(rank, job.ranks, port)}
            self._processes.append(subprocess.Popen([sys.executable, "-m", module, config], env=environment))
        # A SIGTERM during this loop reached only the ranks that had been started by then.
        if self._stop_requested:
            self._signal_all(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code of the job: the first failed rank's, or 143 if all ranks stopped on request.

        Raises:
            JobLost: a rank was ended from outside.
        """
        while not any(codes := self._codes()):
            if None not in codes:
                return 0
            time.sleep(0.05)
        # After a stop request ranks exit by themselves, so wait for all codes. After a failure the other ranks would
        # wait for the failed one until their timeout, so end them at once.
        failed = self._failed(codes) or self._failed(self._codes_at_the_end())
        self._end_all()
        if not failed:
            return TERMINATED
        code = failed[0]
        if code < 0:
            raise JobLost(f"a rank was ended by signal {-code} (9 may mean out of memory): run again to continue")
        return code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._stop_requested = True
        self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number)

    def _codes(self) -> list[int | None]:
        return [process.poll() for process in self._processes]

    def _codes_at_the_end(self) -> list[int | None]:
        """The exit codes once all ranks have ended, or after `_GRACE_SECONDS`."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while None in (codes := self._codes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return codes

    def _failed(self, codes: list[int | None]) -> list[int]:
        """The exit codes of ranks that failed, and did not just stop on request."""
        # A rank that is still starting has no signal handler yet: SIGTERM ends it with code -SIGTERM.
        as_requested = (TERMINATED, -signal.SIGTERM) if self._stop_requested else (TERMINATED,)
        return [code for code in codes if code and code not in as_requested]

    def _end_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for process in self._processes:
            process.wait()

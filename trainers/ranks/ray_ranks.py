"""A training program on the ranks of a Ray cluster, a worker of Ray Train each.

Ray Train places the workers, makes their process group and watches them. When one dies all are started again,
``placement.restarts`` times, and go on from the newest checkpoint by themselves. The job's own process stays a light
parent, which ends, and all ranks with it, with the result or the error of the job.

A rank runs in a thread of Ray's worker process: it writes to ``job-rank-N.log``, and hears of a stop through the job's
folder (trainers.stopping). All machines see that folder, and the working directory, under the same path.
"""

import importlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ray.exceptions import RayError
from ray.train.torch import TorchConfig

# What `ray.train` exports; type checkers take the names there for those of Ray Train's first version.
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError
from ray.train.v2.torch.torch_trainer import TorchTrainer

from schemas.errors import JobLost, MaskSearchError, RunFailed
from schemas.jobs import DapoJob, TrainingJob
from tasks.capacity.devices import machines_of_cluster
from tasks.capacity.ray_cluster import Need, join_for
from tasks.rollouts import searchers, worker_actor
from trainers.ranks.admission import refuse_unfit
from trainers.ranks.launch import COLLECTIVE_TIMEOUT
from trainers.ranks.stopping import request_stop


def run(module: str, function: str, job: TrainingJob) -> dict[str, Any]:
    """Run a function of a module, which takes the job, on every rank; the figures that it gives back on rank 0.

    Exits with code 143 after a checkpoint when told to stop.

    Raises:
        BadInput: the cluster cannot hold the processes or the model, or the model is another's; nothing was started.
        BadInput, RunFailed: a rank raised it. The ranks are not started again for that.
        RunFailed: the ranks failed once more than they may be started again.
    """
    join_for(_needs(job))
    refuse_unfit(job, machines_of_cluster())
    signal.signal(signal.SIGTERM, lambda number, frame: request_stop(job.output))
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    try:
        result: Any = _trainer(module, function, job).fit()
    except (TrainingFailedError, RayError) as error:
        raise _reason(error, job) from error
    exit_code, figures = result.return_value
    if exit_code is not None:
        sys.exit(exit_code)
    return figures


def _trainer(module: str, function: str, job: TrainingJob) -> TorchTrainer:
    placement = job.placement
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"  # paths of a job are relative to the working directory
    return TorchTrainer(
        _rank,
        train_loop_config={"module": module, "function": function, "job": job, "folder": str(Path.cwd())},
        torch_config=TorchConfig(
            backend="nccl" if placement.gpus_per_rank else "gloo", timeout_s=int(COLLECTIVE_TIMEOUT.total_seconds())
        ),
        scaling_config=ScalingConfig(
            num_workers=job.ranks,
            use_gpu=placement.gpus_per_rank > 0,
            resources_per_worker={"CPU": placement.cpus_per_rank, "GPU": placement.gpus_per_rank},
        ),
        run_config=RunConfig(
            name="ray-train",
            storage_path=str(Path(job.output).resolve()),
            # By default Ray starts ranks again without end where a machine was taken away. Its third limit stays
            # without end: it waits for machines to be there.
            failure_config=FailureConfig(max_failures=placement.restarts, max_preemption_failures=placement.restarts),
            callbacks=[_EndAtOnce()],
            worker_runtime_env={"env_vars": _environment(job)},
        ),
    )


def _environment(job: TrainingJob) -> dict[str, str]:
    """Of a rank, before its first import."""
    threads = {"OMP_NUM_THREADS": str(job.threads_per_rank)}
    if job.placement.gpus_per_rank:
        return threads
    return {**threads, "DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}


def _rank(told: dict[str, Any]) -> tuple[int | str | None, dict[str, Any]]:
    """One rank: the exit code where the program left early, and its figures."""
    os.chdir(told["folder"])
    _print_to(Path(told["job"].output, f"job-rank-{os.environ['RANK']}.log"))
    train = getattr(importlib.import_module(told["module"]), told["function"])
    try:
        return None, train(told["job"])
    except SystemExit as leaving:
        return leaving.code, {}


def _print_to(log: Path) -> None:
    """All that this process prints, from here on; added to what an earlier one printed."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


class _EndAtOnce(UserCallback):
    """An error of ours ends the training: started again it would come again."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        for error in worker_exceptions.values():
            if isinstance(error, MaskSearchError):
                raise error


def _reason(error: Exception, job: TrainingJob) -> MaskSearchError:
    if isinstance(error, ControllerError) and isinstance(error.controller_failure, MaskSearchError):
        return error.controller_failure
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = f"({lines[-1] if lines else repr(error)}); their logs are {job.output}/job-rank-*.log; run again to go on"
    if isinstance(error, ControllerError | RayError):
        # Ray Train itself failed, over a rank that died before it was looked at once, say: no restart was used up.
        return JobLost(f"the ranks failed as they were started {why}")
    return RunFailed(f"the ranks failed, with {job.placement.restarts} restarts allowed {why}")


def _needs(job: TrainingJob) -> list[Need]:
    """What the job takes in the cluster: the ranks, and what the first of them starts beside itself."""
    placement = job.placement
    ranks = Need("rank", job.ranks, placement.cpus_per_rank, placement.gpus_per_rank)
    if not isinstance(job, DapoJob):
        return [ranks]
    beside = [searchers.need_of(placement)]
    if not placement.takes_turns:  # else engines live by what the ranks have
        beside.append(worker_actor.need_of(job.engine, placement))
    return [ranks, *beside]

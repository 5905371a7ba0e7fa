"""Run a training program on the ranks of a Ray cluster; each rank is a worker of Ray Train.

Ray Train places the workers, creates their process group and watches them. When a worker dies, all of them are
restarted, up to ``placement.restarts`` times, and continue from the newest checkpoint. The job's own process is a light
parent: it ends with the result or the error of the job, and the ranks end with it.

A rank runs in a thread of Ray's worker process. It writes to ``job-rank-N.log``. A thread receives no signals, so the
rank learns of a stop request through the job's folder (trainers.ranks.stopping). All machines must see that folder and
the working directory under the same paths.
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

# `ray.train` exports these classes at run time, but type checkers see those of Ray Train's first version there.
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
    """Run a function of a module, which takes the job, on every rank; returns rank 0's figures.

    Exits with code 143 after a checkpoint if a stop is requested.

    Raises:
        BadInput: the cluster lacks room for the processes or the model, or the model's vocabulary or a checkpoint does
            not belong to the job. Nothing was started.
        BadInput, RunFailed: a rank raised it. Such errors do not restart the ranks.
        RunFailed: the ranks failed more often than ``placement.restarts``.
    """
    join_for(_needs(job))
    refuse_unfit(job, machines_of_cluster())
    signal.signal(signal.SIGTERM, lambda number, frame: request_stop(job.output))
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    try:
        result: Any = _trainer(module, function, job).fit()
    except (TrainingFailedError, RayError) as error:
        raise _reason(error, job) from error
    returned: tuple[int | str | None, dict[str, Any]] = result.return_value
    exit_code, figures = returned
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
            # By default Ray restarts ranks without limit after it has lost a machine (preemption). The limit of the
            # third kind of failure stays unlimited: with it Ray waits until there are machines again.
            failure_config=FailureConfig(max_failures=placement.restarts, max_preemption_failures=placement.restarts),
            callbacks=[_EndAtOnce()],
            worker_runtime_env={"env_vars": _environment(job)},
        ),
    )


def _environment(job: TrainingJob) -> dict[str, str]:
    """The environment of a rank. It must be set before the first import of torch or DeepSpeed."""
    threads = {"OMP_NUM_THREADS": str(job.threads_per_rank)}
    if job.placement.gpus_per_rank:
        return threads
    return {**threads, "DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": ""}


def _rank(config: dict[str, Any]) -> tuple[int | str | None, dict[str, Any]]:
    """Run one rank; returns the exit code if the program exited early, and the figures."""
    os.chdir(config["folder"])
    _print_to(Path(config["job"].output, f"job-rank-{os.environ['RANK']}.log"))
    train = getattr(importlib.import_module(config["module"]), config["function"])
    try:
        return None, train(config["job"])
    except SystemExit as leaving:  # Ray Train does not pass exit codes on, so the code is part of the result
        return leaving.code, {}


def _print_to(log: Path) -> None:
    """Append everything that this process prints from now on to a log file."""
    # The file descriptors are replaced, not sys.stdout: NCCL and other native libraries print to them directly.
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


class _EndAtOnce(UserCallback):
    """Ends the training after a MaskSearchError, because it would occur again after a restart."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        for error in worker_exceptions.values():
            if isinstance(error, MaskSearchError):
                raise error


def _reason(error: Exception, job: TrainingJob) -> MaskSearchError:
    if isinstance(error, ControllerError) and isinstance(error.controller_failure, MaskSearchError):
        return error.controller_failure
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = f"({lines[-1] if lines else repr(error)}): see {job.output}/job-rank-*.log; run again to continue"
    if isinstance(error, ControllerError | RayError):
        # Ray Train itself failed, for example because a rank died before its first health check: no restart was used.
        return JobLost(f"the ranks failed during their start {why}")
    return RunFailed(f"the ranks failed, with {job.placement.restarts} restarts allowed {why}")


def _needs(job: TrainingJob) -> list[Need]:
    """The job's resources in the cluster: the ranks, and the processes that rank 0 starts."""
    placement = job.placement
    ranks = Need("rank", job.ranks, placement.cpus_per_rank, placement.gpus_per_rank)
    if not isinstance(job, DapoJob):
        return [ranks]
    beside = [searchers.need_of(placement)]
    if not placement.takes_turns:  # in `shared` engines use the ranks' resources
        beside.append(worker_actor.need_of(job.engine, placement))
    return [ranks, *beside]

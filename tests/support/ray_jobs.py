"""Jobs on a local Ray cluster, as processes of their own, and the processes that Ray starts for them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from schemas.jobs import TrainingJob
from tasks.capacity import ray_cluster


@contextmanager
def local_ray(processors: int) -> Iterator[str]:
    """The address of a local Ray of so many processors, which this process has joined."""
    import ray

    ray.shutdown()  # another test's
    ray_cluster.join(processors)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def start(module: str, job: TrainingJob, cluster: str) -> subprocess.Popen[bytes]:
    folder = Path(job.output)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(job.model_dump_json())
    with (folder / "job.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, str(folder / "config.json")],
            env={**os.environ, "RAY_ADDRESS": cluster},
            stdout=log,
            stderr=log,
        )


def processes_of(actor: str) -> list[int]:
    """Ids of the processes that run an actor of this class in a Ray that this process has started.

    Other tests, of other processes, have a Ray of their own at the same time.
    """
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if any(word.startswith(f"ray::{actor}") for word in process.cmdline()):
                found.append(process.pid)
    return found


def wait_for(reached: Callable[[], Any], job: subprocess.Popen[bytes] | None = None) -> Any:
    """What ``reached`` gives back once that is something; ``job`` must not end before."""
    deadline = time.monotonic() + 300
    while not (found := reached()):
        assert time.monotonic() < deadline, "the job does not get on"
        assert job is None or job.poll() is None, "the job has ended"
        time.sleep(0.02)
    return found

"""The processes of a training job, by kind, wherever it has them; and ending one of them.

They are found by their command line, on this machine or by a small actor on every machine of a Ray cluster. Ranks,
engines and searchers that are actors are in Ray's table of actors, under the job whose driver runs the training.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

from schemas.jobs import StrikeJob, Victim
from tasks.jobs import folder

_ACTORS: dict[Victim, str] = {"rank": "RayTrainWorker", "engine": "WorkerActor", "searcher": "IndexSearcher"}
"""By kind, the class of its actors."""


class Found(NamedTuple):
    """A process, and the Ray node that it is on; "" for this machine."""

    pid: int
    node: str = ""


class Processes(Protocol):
    def find(self, kind: Victim) -> list[Found]:
        """Those of a kind that live now."""

    def kill(self, found: Found) -> bool:
        """SIGKILL; false where it has ended by itself."""


def processes_of(job: StrikeJob) -> Processes:
    """Those of the training that a strike is for.

    Raises:
        BadInput: nothing answers at RAY_ADDRESS.
    """
    return RayProcesses(job) if job.in_ray else LocalProcesses(job)


class LocalProcesses:
    """Of a training whose processes are all on this machine."""

    def __init__(self, job: StrikeJob) -> None:
        self._job = job

    def find(self, kind: Victim) -> list[Found]:
        return [Found(pid) for pid in _here(*_command_of(self._job), kind)]

    def kill(self, found: Found) -> bool:
        return _kill(found.pid)


class RayProcesses:
    """Of a training that is in the Ray cluster of RAY_ADDRESS, or has actors there."""

    def __init__(self, job: StrikeJob) -> None:
        """Raises BadInput where nothing answers there."""
        import ray

        from tasks.capacity import ray_cluster

        ray_cluster.join_for([])  # nothing of its own: it only looks
        self._job = job
        # Two nodes may share a machine, whose processes are to be found once.
        machines = {node["NodeManagerHostname"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
        self._there = {node["NodeID"]: machines[node["NodeManagerHostname"]] for node in ray.nodes() if node["Alive"]}
        self._machines = {node: _start_on(node) for node in machines.values()}

    def find(self, kind: Victim) -> list[Found]:
        if kind == "main process":
            return self._by_command_line(kind)
        return self._actors(kind) or (self._by_command_line(kind) if kind == "rank" else [])

    def kill(self, found: Found) -> bool:
        import ray

        return ray.get(self._machines[self._there[found.node]].kill.remote(found.pid))

    def _by_command_line(self, kind: Victim) -> list[Found]:
        import ray

        asked = [machine.here.remote(*_command_of(self._job), kind) for machine in self._machines.values()]
        return [Found(pid, node) for node, pids in zip(self._machines, ray.get(asked), strict=True) for pid in pids]

    def _actors(self, kind: Victim) -> list[Found]:
        # Ray's public table of actors (ray.util.state) is its dashboard's, which a cluster need not have.
        from ray._private import state

        _, config = _command_of(self._job)
        configs = {config, str(Path(self._job.target) / folder.CONFIG)}
        alive = [job for job in state.jobs() if not job["IsDead"]]
        jobs = {job["JobID"] for job in alive if job["Entrypoint"].rpartition(" ")[2] in configs}
        return [
            Found(actor["Pid"], actor["Address"]["NodeID"])
            for actor in state.actors(actor_state_name="ALIVE").values()
            if actor["ActorClassName"] == _ACTORS[kind] and actor["JobID"] in jobs
        ]


class _Machine:
    """An actor's side: looks for processes of its machine, and kills them."""

    def here(self, module: str, config: str, kind: Victim) -> list[int]:
        return _here(module, config, kind)

    def kill(self, pid: int) -> bool:
        return _kill(pid)


def _start_on(node: str) -> Any:
    """Beside all that runs on the node, taking nothing from it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor: Any = ray.remote(_Machine)
    return actor.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()


def _command_of(job: StrikeJob) -> tuple[str, str]:
    return job.module, str(Path(job.target).absolute() / folder.CONFIG)


def _here(module: str, config: str, kind: Victim) -> list[int]:
    """Processes of this machine that run a module with the config at this path: main ones, or ranks they started."""
    ours = {}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            words = process.cmdline()
            if words[1:3] == ["-m", module] and str(Path(process.cwd(), words[-1])) == config:
                ours[process.pid] = process.ppid()
    return [pid for pid, parent in ours.items() if (parent in ours) == (kind == "rank")]


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True

"""Find the processes of a training job by kind, on any machine, and kill one of them.

Processes are found by their command line: on this machine, or through a small actor on every machine of a Ray cluster.
Ranks, engines and searchers that are Ray actors are found in Ray's table of actors, by the job that runs the training.
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
"""The class name of the actors of each kind."""


class Found(NamedTuple):
    """A process and its Ray node; "" for this machine."""

    pid: int
    node: str = ""


class Processes(Protocol):
    def find(self, kind: Victim) -> list[Found]:
        """The living processes of a kind."""

    def kill(self, found: Found) -> bool:
        """Send SIGKILL; False if the process has already ended."""


def processes_of(job: StrikeJob) -> Processes:
    """The processes of the training that a strike job belongs to.

    Raises:
        BadInput: no Ray cluster answers at RAY_ADDRESS.
    """
    return RayProcesses(job) if job.in_ray else LocalProcesses(job)


class LocalProcesses:
    """Processes of a training that runs on this machine only."""

    def __init__(self, job: StrikeJob) -> None:
        self._job = job

    def find(self, kind: Victim) -> list[Found]:
        return [Found(pid) for pid in _here(*_command_of(self._job), kind)]

    def kill(self, found: Found) -> bool:
        return _kill(found.pid)


class RayProcesses:
    """Processes of a training that runs in the Ray cluster of RAY_ADDRESS, or has actors there."""

    def __init__(self, job: StrikeJob) -> None:
        """Raises BadInput if no Ray cluster answers."""
        import ray

        from tasks.capacity import ray_cluster

        ray_cluster.join_for([])  # no resources: this driver only looks
        self._job = job
        # Several Ray nodes may share a machine. One actor for each machine finds each process once.
        machines = {node["NodeManagerHostname"]: node["NodeID"] for node in ray.nodes() if node["Alive"]}
        self._actor_node = {
            node["NodeID"]: machines[node["NodeManagerHostname"]] for node in ray.nodes() if node["Alive"]
        }
        self._machines = {node: _start_on(node) for node in machines.values()}

    def find(self, kind: Victim) -> list[Found]:
        if kind == "main process":
            return self._by_command_line(kind)
        return self._actors(kind) or (self._by_command_line(kind) if kind == "rank" else [])

    def kill(self, found: Found) -> bool:
        import ray

        killed: bool = ray.get(self._machines[self._actor_node[found.node]].kill.remote(found.pid))
        return killed

    def _by_command_line(self, kind: Victim) -> list[Found]:
        import ray

        replies = [machine.here.remote(*_command_of(self._job), kind) for machine in self._machines.values()]
        return [Found(pid, node) for node, pids in zip(self._machines, ray.get(replies), strict=True) for pid in pids]

    def _actors(self, kind: Victim) -> list[Found]:
        # Private, because the public table of actors (ray.util.state) needs Ray's dashboard, which may not run.
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
    """The actor on each machine: it finds and kills processes there."""

    def here(self, module: str, config: str, kind: Victim) -> list[int]:
        return _here(module, config, kind)

    def kill(self, pid: int) -> bool:
        return _kill(pid)


def _start_on(node: str) -> Any:
    """Start the actor on a node. It reserves no CPU, so that it fits beside everything that runs there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor: Any = ray.remote(_Machine)
    return actor.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()


def _command_of(job: StrikeJob) -> tuple[str, str]:
    return job.module, str(Path(job.target).absolute() / folder.CONFIG)


def _here(module: str, config: str, kind: Victim) -> list[int]:
    """Processes of this machine that run a module with the config at this path.

    A rank runs the same command as the main process that started it: a process whose parent is in the list is a rank.
    """
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

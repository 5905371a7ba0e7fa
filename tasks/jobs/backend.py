"""The interface of a backend, which runs a job's process, and the common parts of the backends of clusters.

A backend starts a job once and never restarts it by itself. With every backend the job's output goes to its folder's
log.
"""

import shlex
from collections.abc import Callable
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol

from schemas.errors import RunFailed
from schemas.manifest import digest_of
from schemas.runtime import ClusterJobs
from tasks.jobs import folder


class State(StrEnum):
    WAITING = "waiting"
    """It waits for resources, so it has no heartbeat yet."""
    RUNNING = "running"
    ENDED = "ended"


class Status(NamedTuple):
    """``how`` completes a sentence about a job that ended ("was ended by signal 9"), or names its state of waiting."""

    state: State
    how: str = ""


class Unreachable(RunFailed):
    """The backend does not answer. Its jobs may be running."""


class Elsewhere(Unreachable):
    """The job is a process of another machine, and can be inspected and ended only there."""


class Backend(Protocol):
    """A place where jobs run. A handle identifies an attempt, and is kept in ``job.json``."""

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        """Start ``python -m module`` on the folder's config, unless the attempt runs already.

        Args:
            number: the attempt's number. Two callers with the same folder and number start the same attempt.
            lock: the descriptor of the folder's lock, which the caller holds.
            note: saves the handle. It is called before the job can begin, so that every running job can be found.

        Raises:
            Unreachable: nothing was started.
        """
        ...

    def status(self, handle: str) -> Status:
        """The state of an attempt. Raises Unreachable."""
        ...

    def kill(self, handle: str) -> None:
        """End all processes of the job. It has no effect if they have ended. Raises Unreachable."""
        ...


def entry_point(module: str, output: str, runtime: ClusterJobs) -> str:
    """The shell command that runs a job on a node of a cluster; its output is the folder's log."""
    here = Path(output).absolute()
    command = shlex.join([runtime.python, "-m", module, str(here / folder.CONFIG)])
    return f"cd {shlex.quote(runtime.working_dir)} && exec {command} >> {shlex.quote(str(here / folder.LOG))} 2>&1"


def attempt_name(output: str, number: int) -> str:
    """The name of an attempt on a cluster: letters, digits and dashes, the same for every caller."""
    return f"masksearch-{digest_of(str(Path(output).absolute()))[:12]}-{number}"


def attempt_on_cluster(output: str, number: int, find: Callable[[str], Status | None]) -> tuple[str, bool]:
    """The name of the attempt to start, and whether it runs already.

    The name of a job that has ended is skipped: it is from before the folder was removed and created again, and a
    cluster accepts no name twice.
    """
    for candidate in count(number):
        name = attempt_name(output, candidate)
        status = find(name)
        if status is None or status.state != State.ENDED:
            return name, status is not None
    raise AssertionError("numbers do not end")

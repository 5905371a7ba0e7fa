"""Where a job's process runs: the interface of a backend, and what the backends of clusters have in common.

A backend starts a job once and never again by itself. What the job prints goes to its folder's log, whatever the
backend.
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
    """For resources: no heartbeat is to be expected yet."""
    RUNNING = "running"
    ENDED = "ended"


class Status(NamedTuple):
    """``how`` says how a job ended, as the end of a sentence: "was ended by signal 9"; or what it waits in."""

    state: State
    how: str = ""


class Unreachable(RunFailed):
    """The backend does not answer; its jobs may run all the same."""


class Elsewhere(Unreachable):
    """The job is a process of another machine, which alone can look after it."""


class Backend(Protocol):
    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        """Start ``python -m module`` on the folder's config, unless the attempt runs already.

        Args:
            number: of the attempt. The same folder and number is the same attempt, whoever starts it.
            lock: the folder's lock, which the caller holds.
            note: keeps the handle; called before the job can begin, so that one that runs can always be found.

        Raises:
            Unreachable: nothing was started.
        """
        ...

    def status(self, handle: str) -> Status:
        """Raises Unreachable."""
        ...

    def kill(self, handle: str) -> None:
        """End all processes of the job; nothing happens where they have ended. Raises Unreachable."""
        ...


def entry_point(module: str, output: str, runtime: ClusterJobs) -> str:
    """The shell command that runs a job on a node of a cluster; its output is the folder's log."""
    here = Path(output).absolute()
    command = shlex.join([runtime.python, "-m", module, str(here / folder.CONFIG)])
    return f"cd {shlex.quote(runtime.working_dir)} && exec {command} >> {shlex.quote(str(here / folder.LOG))} 2>&1"


def attempt_name(output: str, number: int) -> str:
    """The name of an attempt on a cluster: letters, digits and dashes, the same whoever starts it."""
    return f"masksearch-{digest_of(str(Path(output).absolute()))[:12]}-{number}"


def attempt_on_cluster(output: str, number: int, find: Callable[[str], Status | None]) -> tuple[str, bool]:
    """The name of the attempt to start, and whether it runs already.

    A name whose job has ended is passed over: its folder was removed and made anew, and a cluster takes no name twice.
    """
    for tried in count(number):
        name = attempt_name(output, tried)
        status = find(name)
        if status is None or status.state != State.ENDED:
            return name, status is not None
    raise AssertionError("numbers do not end")

"""Jobs as processes of this machine. Each leads its own process group, which outlives the flow that started it.

The folder's lock shows whether a job runs: the process inherits it and holds it while it lives, so that a stale process
number is never taken for a running job. A flow on another machine with access to the folder can watch a job and ask it
to stop; only a flow on the same machine can kill it.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.jobs import folder
from tasks.jobs.backend import Elsewhere, State, Status
from tasks.jobs.folder import LocalProcess
from tasks.jobs.program import HANDED_LOCK

_REAP_SECONDS = 5.0
_SAME_BIRTH = 2.0
"""Seconds by which two times of a process's start may differ: they are computed from the machine's start, and its clock
may have been corrected since."""

_children: dict[str, subprocess.Popen[bytes]] = {}
"""The jobs that this process started, by handle. Only a parent can read how a process ended."""


class LocalBackend:
    """See `backend.Backend`. A handle is the process, which leads its group."""

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        program = [sys.executable, "-m", module, str(Path(output) / folder.CONFIG)]
        with (Path(output) / folder.LOG).open("ab") as log:
            process = subprocess.Popen(
                # The shell waits for a line before it becomes the job. The process exists, and has a number, before
                # the job begins: so its handle is on disk first. If this process dies in between, the pipe closes,
                # `read` fails, and nothing starts.
                ["sh", "-c", 'read go && exec "$@" < /dev/null', "sh", *program],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
                env={**os.environ, HANDED_LOCK: str(lock)},
            )
        handle = str(LocalProcess(process.pid, socket.gethostname(), _born(process.pid) or 0.0))
        _children[handle] = process
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as gate:
            note(handle)
            gate.write(b"go\n")

    def status(self, handle: str) -> Status:
        """How the job ended. Call it only when no process holds the folder's lock any more."""
        _here(handle)
        process = _children.get(handle)
        if process is None:
            return Status(State.ENDED, "was ended from outside")
        try:
            code = process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return Status(State.RUNNING)
        return Status(State.ENDED, f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def kill(self, handle: str) -> None:
        process = _here(handle)
        born = _born(process.number)
        # The group may outlive its leader. As long as it does, the kernel does not reuse its number.
        if born is None or not process.born or abs(born - process.born) < _SAME_BIRTH:
            with suppress(ProcessLookupError):
                os.killpg(process.number, signal.SIGKILL)


def _here(handle: str) -> LocalProcess:
    """The process of a handle.

    Raises:
        Elsewhere: it is a process of another machine.
    """
    process = LocalProcess.of(handle)
    if process.host not in ("", socket.gethostname()):
        raise Elsewhere(
            f"its process {process.number} runs on {process.host} and can be ended only there: "
            f"kill -9 -- -{process.number}"
        )
    return process


def _born(process: int) -> float | None:
    try:
        born: float = psutil.Process(process).create_time()
    except psutil.NoSuchProcess:
        return None
    return born

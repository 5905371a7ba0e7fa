"""Jobs as processes of this machine: each leads a group of its own, which outlives the flow that started it.

Whether one runs is told by the folder's lock, which the process inherits and holds while it lives, so that no stale
process number is ever believed. A flow on another machine that sees the folder may watch a job and ask it to stop; only
one on the same machine can end it.
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
"""Seconds: a process was started at one time since the machine was, and the clock may have been put right since."""

_children: dict[str, subprocess.Popen[bytes]] = {}
"""Jobs that this process started itself, by handle: how they ended can be had."""


class LocalBackend:
    """See `backend.Backend`. A handle is the process, which leads its group."""

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        program = [sys.executable, "-m", module, str(Path(output) / folder.CONFIG)]
        with (Path(output) / folder.LOG).open("ab") as log:
            process = subprocess.Popen(
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
        """How it ended; only to be asked when nobody holds the folder's lock any more."""
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
        # Without its leader the group may live on, and its number is not used again as long as it does.
        if born is None or not process.born or abs(born - process.born) < _SAME_BIRTH:
            with suppress(ProcessLookupError):
                os.killpg(process.number, signal.SIGKILL)


def _here(handle: str) -> LocalProcess:
    """The process, of this machine.

    Raises:
        Elsewhere: it is another one's.
    """
    process = LocalProcess.of(handle)
    if process.host not in ("", socket.gethostname()):
        raise Elsewhere(
            f"its process {process.number} runs on {process.host}, where alone it can be ended: "
            f"kill -9 -- -{process.number}"
        )
    return process


def _born(process: int) -> float | None:
    try:
        return psutil.Process(process).create_time()
    except psutil.NoSuchProcess:
        return None

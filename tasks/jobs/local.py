"""Jobs as processes of this machine: each leads a group of its own, which outlives the flow that started it.

Whether one runs is told by the folder's lock, which the process inherits and holds while it lives, so that no stale
process number is ever believed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tasks.jobs import folder
from tasks.jobs.backend import State, Status
from tasks.jobs.program import HANDED_LOCK

_REAP_SECONDS = 5.0

_children: dict[str, subprocess.Popen[bytes]] = {}
"""Jobs that this process started itself, by process: how they ended can be had."""


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
        _children[str(process.pid)] = process
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as gate:
            note(str(process.pid))
            gate.write(b"go\n")

    def status(self, handle: str) -> Status:
        """How it ended; only to be asked when nobody holds the folder's lock any more."""
        process = _children.get(handle)
        if process is None:
            return Status(State.ENDED, "was ended from outside")
        try:
            code = process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return Status(State.RUNNING)
        return Status(State.ENDED, f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def kill(self, handle: str) -> None:
        with suppress(ProcessLookupError):
            os.killpg(int(handle), signal.SIGKILL)

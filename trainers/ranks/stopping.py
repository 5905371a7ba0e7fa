"""Stop requests: a training ends at the next point from which it can continue later.

A process receives the request as SIGTERM. Ranks that share only the job's folder (threads of Ray's processes, other
machines) see it as a file in that folder. There are two files: STOP is a request to stop the job; STOP_RANKS is written
by the job's main process when it has received SIGTERM.
"""

import signal
import threading
from pathlib import Path
from types import FrameType

from tasks.jobs.folder import STOP, STOP_RANKS


class Interrupted(Exception):
    """A stop was requested while rollouts were generated."""


class StopSignal:
    """Whether a stop of this process or its job was requested. Reading `received` costs two `stat` calls."""

    def __init__(self, output: str) -> None:
        self._requests = (Path(output, STOP), Path(output, STOP_RANKS))
        self._signalled = False
        if threading.current_thread() is threading.main_thread():  # other threads cannot install signal handlers
            signal.signal(signal.SIGTERM, self._note)

    @property
    def received(self) -> bool:
        return self._signalled or any(request.exists() for request in self._requests)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def request_stop(output: str) -> None:
    """Ask all ranks of a job to stop, from its main process.

    It writes STOP_RANKS, not STOP, because STOP records that somebody asked to end the job.
    """
    Path(output, STOP_RANKS).touch()

"""The wish to stop, noted: a training ends at the next place from which it can go on.

A process is told by SIGTERM. Ranks that share a job's folder and nothing else (threads of Ray's processes, other
machines) are told by a file in it: a request to stop the job, or the word of its main process that this was told to.
"""

import signal
import threading
from pathlib import Path
from types import FrameType

from tasks.jobs.folder import STOP, STOP_RANKS


class Interrupted(Exception):
    """The process received the request to stop while it generated rollouts."""


class StopSignal:
    """Whether this process or its job was told to stop, from the time this is made. A look costs two `stat`."""

    def __init__(self, output: str) -> None:
        self._requests = (Path(output, STOP), Path(output, STOP_RANKS))
        self._signalled = False
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            signal.signal(signal.SIGTERM, self._note)

    @property
    def received(self) -> bool:
        return self._signalled or any(request.exists() for request in self._requests)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True


def request_stop(output: str) -> None:
    """Tell all ranks of the job of this folder to stop, from its main process; that is nobody's wish to end the job."""
    Path(output, STOP_RANKS).touch()

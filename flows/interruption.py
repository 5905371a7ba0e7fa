"""What others ask of a run while it works: to be cancelled or suspended on its server, or to stop (`masksearch stop`).

A worker sends SIGTERM to a run that is cancelled. A run at a terminal has no worker, and a run that is suspended hears
of it only at its next task: so a thread looks, and interrupts the work as Ctrl-C does.
"""

import contextvars
import signal
import threading
from types import FrameType, TracebackType
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.exceptions import Pause, PrefectException
from prefect.states import Cancelled, State

from tasks.jobs import is_stopping
from tasks.jobs.stopping import request_of

LEFT = "masksearch.flow-run.left"
"""The event by which a run's process says that it has left: it sends no heartbeat any more, whatever the state."""

_LOOK_SECONDS = 2.0
_GO_ON = "what was finished is kept, run again to go on"


class Interruption:
    """Inside it, a request of others raises KeyboardInterrupt in the main thread; `outcome` says what it asked."""

    def __init__(self, run: UUID) -> None:
        self._run = run
        self._asked: str | None = None
        self._suspended: State | None = None
        self._folder: str | None = None
        self._known: bytes | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._wakes = threading.Event()

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            # A shell may have had SIGINT ignored, as it does for what runs in the background.
            self._before = signal.signal(signal.SIGUSR1, _interrupt)
            look = contextvars.copy_context().run  # Prefect keeps its settings there
            threading.Thread(target=look, args=(self._look,), name="interruption", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended = True
        self._wakes.set()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._before)

    def makes(self, folder: str) -> None:
        """The stage of this folder is at work. A request to stop that lies there already was meant for another run."""
        self._known = request_of(folder)
        self._folder = folder

    def outcome(self) -> State:
        """The state in which an interrupted run ends.

        Raises:
            Pause: the run was suspended; Prefect starts it anew when it is resumed.
        """
        if self._suspended is not None:
            raise Pause(state=self._suspended)
        return Cancelled(message=f"{self._asked}; {_GO_ON}" if self._asked else _GO_ON)

    def leave(self) -> None:
        """Say that this process works on the run no more (deploy/automations.py)."""
        emit_event(LEFT, resource={"prefect.resource.id": f"prefect.flow-run.{self._run}"})

    def _look(self) -> None:
        with get_client(sync_client=True) as client:
            seen = 0
            while not self._wakes.wait(_LOOK_SECONDS):
                try:
                    state = client.read_flow_run(self._run).state
                    requested = self._folder is not None and self._is_requested(self._folder)
                except (httpx.HTTPError, PrefectException, OSError):  # there is a next time
                    continue
                # A worker's SIGTERM comes within one look, and finds the flow at work.
                seen = seen + 1 if state is not None and (state.is_cancelling() or state.is_cancelled()) else 0
                if seen > 1:
                    self._interrupt("the run was cancelled on its Prefect server")
                elif state is not None and state.is_paused() and state.name == "Suspended":
                    self._interrupt("the run was suspended on its Prefect server", state)
                elif requested:
                    self._interrupt("masksearch stop asked for it")

    def _is_requested(self, folder: str) -> bool:
        request = request_of(folder)
        return request is not None and request != self._known

    def _interrupt(self, why: str, suspended: State | None = None) -> None:
        """Once. A job that was asked to stop already needs no interrupt: the run ends with it, and may be waiting."""
        with self._lock:
            if self._ended or self._asked or (self._folder and is_stopping(self._folder)):
                return
            self._asked, self._suspended = why, suspended
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGUSR1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

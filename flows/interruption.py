"""Requests to a running flow: to cancel or suspend it on its server, or to stop it (`masksearch stop`).

A worker sends SIGTERM to a cancelled run. But a run at a terminal has no worker, and a suspended run learns of it only
at its next task. Therefore a thread polls for requests and interrupts the work as Ctrl-C does.
"""

import contextvars
import signal
import threading
from types import FrameType, TracebackType
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.exceptions import Pause, PrefectException
from prefect.states import Cancelled

from tasks.jobs import is_stopping
from tasks.jobs.stopping import request_of

LEFT = "masksearch.flow-run.left"
"""The event that a run's process emits when it leaves the run: no heartbeats follow, in whatever state."""

_LOOK_SECONDS = 2.0
_CONTINUE = "finished work is kept, run again to continue"


class Interruption:
    """A context in which a request raises KeyboardInterrupt in the main thread; `outcome` is the state it asks for."""

    def __init__(self, run: UUID) -> None:
        self._run = run
        self._reason: str | None = None
        self._suspended: State | None = None
        self._folder: str | None = None
        self._known: bytes | None = None
        self._ended = False
        # The work ends in one thread while the other one decides to interrupt it: with the lock no signal is sent after
        # the context has ended, where nothing would catch the KeyboardInterrupt.
        self._lock = threading.Lock()
        self._wakes = threading.Event()

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # only the main thread receives signals
            # SIGUSR1, because a shell makes background commands ignore SIGINT.
            self._before = signal.signal(signal.SIGUSR1, _interrupt)
            look = contextvars.copy_context().run  # the context holds Prefect's settings
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

    def watch(self, folder: str) -> None:
        """Watch the folder of the stage that is built now. An existing request to stop was meant for an earlier run."""
        self._known = request_of(folder)
        self._folder = folder

    def outcome(self) -> State:
        """The state of an interrupted run.

        Raises:
            Pause: the run was suspended; Prefect starts it again when it is resumed.
        """
        if self._suspended is not None:
            raise Pause(state=self._suspended)
        return Cancelled(message=f"{self._reason}; {_CONTINUE}" if self._reason else _CONTINUE)

    def leave(self) -> None:
        """Report that this process has left the run (deploy/automations.py)."""
        emit_event(LEFT, resource={"prefect.resource.id": f"prefect.flow-run.{self._run}"})

    def _look(self) -> None:
        with get_client(sync_client=True) as client:
            seen = 0
            while not self._wakes.wait(_LOOK_SECONDS):
                try:
                    state = client.read_flow_run(self._run).state
                    requested = self._folder is not None and self._is_requested(self._folder)
                except (httpx.HTTPError, PrefectException, OSError):  # the next look may succeed
                    continue
                # Two looks, so that a worker's own SIGTERM comes first and ends the flow in its usual way.
                seen = seen + 1 if state is not None and (state.is_cancelling() or state.is_cancelled()) else 0
                if seen > 1:
                    self._interrupt("the run was cancelled on its Prefect server")
                elif state is not None and state.is_paused() and state.name == "Suspended":
                    self._interrupt("the run was suspended on its Prefect server", state)
                elif requested:
                    self._interrupt("masksearch stop requested it")

    def _is_requested(self, folder: str) -> bool:
        request = request_of(folder)
        return request is not None and request != self._known

    def _interrupt(self, why: str, suspended: State | None = None) -> None:
        """Interrupt the work, once. A job that is stopping needs no interrupt: the run waits for its end."""
        with self._lock:
            if self._ended or self._reason or (self._folder and is_stopping(self._folder)):
                return
            self._reason, self._suspended = why, suspended
            main_thread = threading.main_thread().ident
            assert main_thread is not None
            signal.pthread_kill(main_thread, signal.SIGUSR1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

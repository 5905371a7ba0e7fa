"""Watching a job: its progress, whether it lives, and starting it again where it died or is stuck.

Stuck is a heartbeat that has stopped: the program's Python does not run. That its progress stands still is a sign only
after ``jobs.stalled_minutes``, for a compilation or a large checkpoint takes its time: an engine or a rank may hang
beside a heart that beats.
"""

import time
from collections.abc import Callable

from schemas.errors import RunFailed
from schemas.jobs import Job, JobResult
from schemas.runtime import JobsRuntime
from tasks.jobs import folder
from tasks.jobs.backend import State, Status
from tasks.jobs.folder import Progress, StartedJob
from tasks.jobs.starting import cancel, how_it_ended, replace, start_again, start_or_attach, status_of


def run(module: str, job: Job, runtime: JobsRuntime, on_progress: Callable[[Progress], None]) -> JobResult:
    """Start the job or attach to it, and wait. What ends the caller on purpose has the job save its state and stop.

    Ctrl-C, SIGTERM and the cancelling of a flow run come as exceptions that are no `Exception`. SIGKILL leaves the job.

    Raises:
        BadInput, RunFailed, Stopped: as `start_or_attach` and `watch` say.
    """
    try:
        start_or_attach(module, job, runtime)
        return watch(job.output, on_progress)
    except Exception:
        raise
    except BaseException:
        cancel(job.output)
        raise


def watch(output: str, on_progress: Callable[[Progress], None]) -> JobResult:
    """Wait for the job's result, starting it again where it died without a reason or is stuck.

    The result's seconds are those of all attempts. The note of the progress tells how often it was started again.

    Raises:
        BadInput, RunFailed: it said why it ended, or used up its restarts (``runtime.jobs``).
        Stopped: somebody asked it to stop.
    """
    told: Progress | None = None
    watched: _Watched | None = None
    while True:
        job = folder.read(output, folder.STARTED, StartedJob)
        if job is None:
            raise RunFailed(f"{output}: no job was started there")
        if watched is None or watched.job.number != job.number:
            watched = _Watched(output, job)
        status = status_of(output, job)
        progress = _waiting(output, job, status) or _progress(output, job)
        if progress is not None and progress != told:
            on_progress(progress)
            told = progress
        if status.state == State.ENDED:
            result = folder.result_of(output)
            if result is not None:
                return result.model_copy(update={"seconds": round(result.seconds + job.spent, 2)})
            start_again(output, job, how_it_ended(output, status))
        elif (standstill := watched.standstill(status)) is not None:
            replace(output, job, f"was stuck: {standstill}")
        time.sleep(job.runtime.poll_seconds)


def _waiting(output: str, job: StartedJob, status: Status) -> Progress | None:
    """How long a job has waited for its cluster, for people; None where it does not wait."""
    if status.state != State.WAITING:
        return None
    note = f"waits for its cluster ({status.how}), {folder.waited(output, job) / 60:.0f} minutes by now"
    return Progress(done=0, total=1, unit="jobs", note=note)


def _progress(output: str, job: StartedJob) -> Progress | None:
    progress = folder.read(output, folder.PROGRESS, Progress)
    if progress is None or job.restarts == 0:
        return progress
    how = folder.attempts_of(output)[-1].how
    note = f"{progress.note} (started again {folder.times(job.restarts)}: {how})".lstrip()
    return progress.model_copy(update={"note": note})


class _Watched:
    """How long the signs of one attempt stand still, by the watcher's own clock: those of two machines may differ."""

    def __init__(self, output: str, job: StartedJob) -> None:
        self.job = job
        self._output = output
        self._beat, self._silent = folder.last_beat(output), 0.0
        self._progress, self._stalled = folder.sign_of_progress(output), 0.0
        self._looked = time.monotonic()

    def standstill(self, status: Status) -> str | None:
        """Which sign has stood still for too long; None while the job gets on, or waits for resources."""
        self._look(waits=status.state == State.WAITING)
        runtime = self.job.runtime
        if self._silent > self.job.allowed_silence(self._beat is not None):
            return f"no heartbeat for {self._silent:.0f} seconds"
        if runtime.stalled_minutes is not None and self._stalled > runtime.stalled_minutes * 60:
            return f"no progress for {runtime.stalled_minutes:g} minutes (runtime.jobs.stalled_minutes)"
        return None

    def _look(self, waits: bool) -> None:
        now = time.monotonic()
        # Both may have been asleep, as in a machine that was paused: the watcher's first look then proves nothing.
        between = min(now - self._looked, self.job.runtime.stuck_after / 4)
        self._looked = now
        beat, progress = folder.last_beat(self._output), folder.sign_of_progress(self._output)
        self._silent = 0.0 if waits or beat != self._beat else self._silent + between
        self._stalled = 0.0 if waits or progress != self._progress else self._stalled + between
        self._beat, self._progress = beat, progress

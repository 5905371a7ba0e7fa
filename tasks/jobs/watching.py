"""Watches a job: reports its progress, and restarts it if it has died or is stuck.

A job is stuck if its heartbeat stops, since then its Python does not run. An engine or a rank may hang while the
heartbeat goes on, so a job without progress counts as stuck, too, but only after ``jobs.stalled_minutes``, because a
compilation or a large checkpoint takes long.

Several watchers may watch one job: they agree by the folder's lock and the attempt's number (starting.py).
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
    """Start the job or attach to it, and wait for its result. If the caller is stopped, the job saves its state and
    stops as well.

    Ctrl-C, SIGTERM and the cancellation of a flow run arrive as exceptions that do not derive from `Exception`. After
    SIGKILL the job runs on.

    Raises:
        BadInput, RunFailed, Stopped: as `start_or_attach` and `watch` raise them.
    """
    try:
        start_or_attach(module, job, runtime)
        return watch(job.output, on_progress)
    except Exception:  # an error of this side: the job may go on, and the next run attaches to it
        raise
    except BaseException:
        cancel(job.output)
        raise


def watch(output: str, on_progress: Callable[[Progress], None]) -> JobResult:
    """Wait for the job's result. Restart the job if it dies without giving a reason, or is stuck.

    The result's seconds are the sum over all attempts. The progress's note states the number of restarts.

    Raises:
        BadInput, RunFailed: the job gave a reason for its end, or has used up its restarts (``runtime.jobs``).
        Stopped: it was asked to stop.
    """
    reported: Progress | None = None
    watched: _Watched | None = None
    while True:
        job = folder.read(output, folder.STARTED, StartedJob)
        if job is None:
            raise RunFailed(f"{output}: no job was started in this folder")
        if watched is None or watched.job.number != job.number:  # a new attempt, maybe of another watcher's
            watched = _Watched(output, job)
        status = status_of(output, job)
        progress = _waiting(output, job, status) or _progress(output, job)
        if progress is not None and progress != reported:
            on_progress(progress)
            reported = progress
        if status.state == State.ENDED:
            # Read after the status: a job writes its result before it ends, so a result cannot be missed here.
            result = folder.result_of(output)
            if result is not None:
                return result.model_copy(update={"seconds": round(result.seconds + job.spent, 2)})
            start_again(output, job, how_it_ended(output, status))
        elif (standstill := watched.standstill(status)) is not None:
            replace(output, job, f"was stuck: {standstill}")
        time.sleep(job.runtime.poll_seconds)


def _waiting(output: str, job: StartedJob, status: Status) -> Progress | None:
    """The time that a job has waited for its cluster, for people; None if it does not wait."""
    if status.state != State.WAITING:
        return None
    note = f"has waited for its cluster ({status.how}) for {folder.waited(output, job) / 60:.0f} minutes"
    return Progress(done=0, total=1, unit="jobs", note=note)


def _progress(output: str, job: StartedJob) -> Progress | None:
    progress = folder.read(output, folder.PROGRESS, Progress)
    if progress is None or job.restarts == 0:
        return progress
    how = folder.attempts_of(output)[-1].how
    note = f"{progress.note} (restarted {folder.times(job.restarts)}: {how})".lstrip()
    return progress.model_copy(update={"note": note})


class _Watched:
    """Measures how long heartbeat and progress of one attempt have not changed.

    It uses the watcher's monotonic clock only, and compares the files' times with their former values and not with the
    present time, because the clocks of machines differ.
    """

    def __init__(self, output: str, job: StartedJob) -> None:
        self.job = job
        self._output = output
        self._beat, self._silent = folder.last_beat(output), 0.0
        self._progress, self._stalled = folder.sign_of_progress(output), 0.0
        self._looked = time.monotonic()

    def standstill(self, status: Status) -> str | None:
        """The sign that has not changed for too long, in words; None while the job proceeds or waits for resources."""
        self._look(waits=status.state == State.WAITING)
        runtime = self.job.runtime
        if self._silent > self.job.allowed_silence(self._beat is not None):
            return f"no heartbeat for {self._silent:.0f} seconds"
        if runtime.stalled_minutes is not None and self._stalled > runtime.stalled_minutes * 60:
            return f"no progress for {runtime.stalled_minutes:g} minutes (runtime.jobs.stalled_minutes)"
        return None

    def _look(self, waits: bool) -> None:
        now = time.monotonic()
        # Watcher and job may have been suspended together (a laptop, a paused virtual machine): then much time has
        # passed, but the job had no chance to beat. So a single interval counts for a quarter of the limit at most.
        between = min(now - self._looked, self.job.runtime.stuck_after / 4)
        self._looked = now
        beat, progress = folder.last_beat(self._output), folder.sign_of_progress(self._output)
        self._silent = 0.0 if waits or beat != self._beat else self._silent + between
        self._stalled = 0.0 if waits or progress != self._progress else self._stalled + between
        self._beat, self._progress = beat, progress

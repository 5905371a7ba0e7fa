"""From outside: start a job or attach to it, start it again, stop it; whether it runs."""

import os
import sys
import time
from pathlib import Path

from schemas.errors import TERMINATED, BadInput, MaskSearchError, RunFailed, Stopped
from schemas.jobs import Job
from schemas.runtime import JobsRuntime, LocalJobs
from tasks.jobs import folder
from tasks.jobs.backend import Elsewhere, State, Status, Unreachable
from tasks.jobs.backends import backend_of
from tasks.jobs.folder import JobError, StartedJob

_LOCAL = LocalJobs()
_KILL_SECONDS = 30.0


def start_or_attach(module: str, job: Job, runtime: JobsRuntime = _LOCAL) -> None:
    """Start the job, unless it runs already, wherever that is, or is done. It may be started again as often as ever.

    A job that was asked to stop and is still saving its state is waited for, and then started: the request was meant
    for the run before.

    Raises:
        RunFailed: the backend does not take it.
    """
    if folder.result_of(job.output) is not None:
        return
    _wait_for_stop(job.output)
    lock = folder.take_lock(job.output)
    if lock is None:
        return
    try:
        last = folder.read(job.output, folder.STARTED, StartedJob)
        if last is not None:
            status = _on_backend(job.output, last)
            if status.state != State.ENDED:
                return
            folder.keep_attempt(job.output, last, how_it_ended(job.output, status))
        folder.remove(job.output, folder.STOP)
        folder.write(job.output, folder.CONFIG, job)
        _start(job.output, module, runtime, last, restarts=0, lock=lock)
    finally:
        os.close(lock)


def _wait_for_stop(output: str) -> None:
    """Wait until a job that was asked to stop has left; one that takes longer than its patience is killed."""
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is not None and is_stopping(output):
        _tell(f"the job in {output} was asked to stop and is saving its state; it is started again after that")
        _end(output, job, job.runtime.stop_patience)


def is_stopping(output: str) -> bool:
    """Whether the job of this folder runs, and somebody has asked it to stop."""
    return (Path(output) / folder.STOP).exists() and is_running(output)


def start_again(output: str, died: StartedJob, how: str) -> None:
    """Start a job that died from its last checkpoint; nothing happens where somebody else did so first.

    Raises:
        BadInput, RunFailed: it said why it ended, or it was started again often enough.
        Stopped: somebody asked it to stop.
    """
    lock = folder.take_lock(output)
    if lock is None:
        return
    try:
        last = folder.read(output, folder.STARTED, StartedJob)
        if last is None or last.number != died.number or folder.result_of(output) is not None:
            return
        folder.keep_attempt(output, died, how)
        reason = _why_not_again(output, died, how)
        if reason is not None:
            raise reason
        _start(output, died.module, died.runtime, died, restarts=died.restarts + 1, lock=lock)
    finally:
        os.close(lock)


def ask_to_stop(output: str) -> StartedJob | None:
    """Ask the job to save what it has and leave, for good; a job that has just died is started again by nobody.

    Returns at once, with what was asked; None where there is no job to ask.
    """
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is None or _is_over(output):
        return None
    (Path(output) / folder.STOP).touch()
    return job


def cancel(output: str, patience: float | None = None) -> None:
    """Ask the job to stop, and wait until it has; after ``patience`` seconds all its processes are killed.

    What is waited for, and that a job did not save its state, is said on stderr. A job without a heartbeat has nothing
    to save yet and is killed at once. A job whose wait is interrupted, by a second Ctrl-C, saves its state and ends by
    itself.

    Args:
        patience: that of the job's own settings (``jobs.stop_patience``) where it is None.
    """
    job = ask_to_stop(output)
    if job is None or not is_running(output):
        return
    patience = job.runtime.stop_patience if patience is None else patience
    if has_begun(output):
        _tell(
            f"the job in {output} is saving its state, {patience:.0f} seconds at most; "
            "a second Ctrl-C leaves at once, and the job saves it and ends by itself"
        )
    said = _end(output, job, patience)
    if said is not None:
        _tell(said)


def wait_until_stopped(output: str) -> str:
    """Wait for a job that was asked to stop, and kill it after its patience (``jobs.stop_patience``); how it ended."""
    job = folder.read(output, folder.STARTED, StartedJob)
    said = _end(output, job, job.runtime.stop_patience) if job is not None else None
    if folder.result_of(output) is not None:
        return "had finished by then"
    return said or f"saved its state; the next run goes on from {left_behind(output)}"


def has_begun(output: str) -> bool:
    """Whether the attempt that was started last came as far as its first heartbeat: it may have something to save."""
    return (Path(output) / folder.HEARTBEAT).exists()


def _end(output: str, job: StartedJob, patience: float) -> str | None:
    """Wait for a job that was asked to stop, and kill it after ``patience`` seconds.

    Returns what there is to say of an end without a saved state; None where it was saved.
    """
    begun = has_begun(output)
    if begun:
        wait_for_end(output, patience, job)
    how = "ended before it had saved its state"
    if is_running(output):
        try:
            kill(output, job)
        except Unreachable as why:
            return f"the job in {output} was told to stop, and could not be killed: {why}"
        how = "was killed: " + (f"{patience:.0f} seconds were not enough" if begun else "it had not begun")
    error = folder.read(output, folder.ERROR, JobError)
    if error is None and folder.result_of(output) is None:
        message = f"the job in {output} was told to stop, and {how}; the next run goes on from {left_behind(output)}"
        error = JobError(message=message, exit_code=RunFailed.exit_code)
        folder.write(output, folder.ERROR, error)
    return error.message if error is not None and error.exit_code != TERMINATED else None


def replace(output: str, job: StartedJob, how: str) -> None:
    """End an attempt that does not get on, and start the job again from its last checkpoint.

    Raises:
        BadInput, RunFailed: as `start_again` says; or it runs on another machine: it was asked to stop.
        Unreachable: the backend does not answer.
    """
    try:
        kill(output, job)
    except Elsewhere as error:
        (Path(output) / folder.STOP).touch()
        raise RunFailed(f"the job in {output} {how}; it was asked to stop, but {error}; then run again") from None
    start_again(output, job, how)


def kill(output: str, job: StartedJob) -> None:
    """End all processes of this attempt, and wait until they have ended; nothing happens where they have.

    Raises:
        Unreachable: the backend does not answer, or is another machine's.
    """
    now = folder.read(output, folder.STARTED, StartedJob)
    if now is not None and now.number == job.number and is_running(output):
        backend_of(job.runtime).kill(job.handle)
        wait_for_end(output, _KILL_SECONDS, job)


def is_running(output: str) -> bool:
    """Whether the job of this folder runs or waits for resources."""
    job = folder.read(output, folder.STARTED, StartedJob)
    return status_of(output, job).state != State.ENDED if job else folder.is_locked(output)


def status_of(output: str, job: StartedJob) -> Status:
    """What can be told from here: by the folder's lock, else by its documents, else by the backend.

    A backend that does not answer is taken to run the job: its heartbeat will tell.
    """
    if folder.is_locked(output):
        return Status(State.RUNNING)
    if _has_said(output):
        return Status(State.ENDED)
    return _on_backend(output, job)


def how_it_ended(output: str, status: Status) -> str:
    """In the job's own words where it said something, else in the backend's."""
    error = folder.read(output, folder.ERROR, JobError)
    return f"ended: {error.message}" if error else status.how


def _on_backend(output: str, job: StartedJob) -> Status:
    try:
        return backend_of(job.runtime).status(job.handle)
    except Elsewhere:
        return _by_heartbeat(output, job)
    except Unreachable:
        return Status(State.RUNNING)


def _by_heartbeat(output: str, job: StartedJob) -> Status:
    """Of a process of another machine, whose lock may not be seen here: it lives as long as it beats.

    The clocks of the two may differ, by less than the silence that is allowed.
    """
    beat = folder.last_beat(output)
    silent = time.time() - (job.started if beat is None else beat)
    if _has_said(output) or silent > job.allowed_silence(beat is not None):
        return Status(State.ENDED, f"was not heard of from its machine for {silent:.0f} seconds")
    return Status(State.RUNNING)


def _start(output: str, module: str, runtime: JobsRuntime, last: StartedJob | None, restarts: int, lock: int) -> None:
    spent = 0.0
    if last is not None:
        spent = last.spent + max(0.0, (folder.last_sign_of_life(output) or 0.0) - last.started)
    number = last.number + 1 if last else 1
    started = time.time()

    def note(handle: str) -> None:
        job = StartedJob(
            module=module,
            handle=handle,
            started=started,
            spent=spent,
            number=number,
            restarts=restarts,
            runtime=runtime,
        )
        folder.write(output, folder.STARTED, job)

    folder.remove(output, folder.ERROR, folder.HEARTBEAT)
    backend_of(runtime).start(module, output, number, lock, note)


def _why_not_again(output: str, job: StartedJob, how: str) -> MaskSearchError | None:
    """The error that ends the watching, or None where the job is to be started again."""
    error = folder.read(output, folder.ERROR, JobError)
    if error is not None and error.exit_code == TERMINATED and not error.lost:
        return Stopped(_how(output, "was told to stop and saved its state"))
    if error is not None and not error.lost:
        return BadInput(error.message) if error.exit_code == BadInput.exit_code else RunFailed(error.message)
    if (Path(output) / folder.STOP).exists():
        return Stopped(_how(output, f"was told to stop, and {how}"))
    if job.restarts < job.runtime.restarts:
        return None
    again = f" after it was started again {folder.times(job.restarts)}" if job.restarts else ""
    return RunFailed(_how(output, f"{how}{again}"))


def _how(output: str, how: str) -> str:
    lines = folder.last_lines(output)
    return (
        f"the job in {output} {how} ({lines[-1].strip() if lines else 'it printed nothing'}); "
        f"its log is {Path(output) / folder.LOG}; run again to go on from where it was"
    )


def _has_said(output: str) -> bool:
    """Whether it gave a result, or a reason for its end."""
    return folder.result_of(output) is not None or folder.read(output, folder.ERROR, JobError) is not None


def _is_over(output: str) -> bool:
    """Whether nobody would start it again."""
    error = folder.read(output, folder.ERROR, JobError)
    return folder.result_of(output) is not None or (error is not None and not error.lost)


def left_behind(output: str) -> str:
    """What the next run goes on from, as far as the folder tells."""
    checkpoints = sorted(path.name for path in Path(output).glob("checkpoints/step-*"))
    return f"checkpoints/{checkpoints[-1]}" if checkpoints else "what it had finished by then"


def wait_for_end(output: str, seconds: float, job: StartedJob) -> None:
    deadline = time.monotonic() + seconds
    while is_running(output) and time.monotonic() < deadline:
        time.sleep(job.runtime.poll_seconds)


def _tell(words: str) -> None:
    """To whoever waits at a terminal: not by the progress, whose listeners a Ctrl-C may have ended as well."""
    print(words, file=sys.stderr, flush=True)

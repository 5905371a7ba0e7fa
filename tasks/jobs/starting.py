"""The view from outside a job: start it or attach to it, restart it, stop it, and query whether it runs.

Several flows and watchers may do this at once, on several machines. Whoever starts an attempt holds the folder's lock
from before the last look at ``job.json`` until the new attempt is recorded there, so that an attempt is started once.
The process itself holds the lock while it lives.
"""

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
    """Start the job, unless it is done or already runs anywhere. The count of its restarts begins anew.

    If the job was asked to stop and is still saving its state, wait for it and start it then: the request was meant
    for the run before.

    Raises:
        RunFailed: the backend does not accept the job.
    """
    if folder.result_of(job.output) is not None:
        return
    _wait_for_stop(job.output)
    lock = folder.take_lock(job.output)
    if lock is None:  # it runs, or another flow is starting it: both mean to attach
        return
    try:
        last = folder.read(job.output, folder.STARTED, StartedJob)
        if last is not None:
            # The free lock is no proof of its end: the lock of another machine may not be visible here, and a job on a
            # cluster that waits for resources has no process yet.
            status = _on_backend(job.output, last)
            if status.state != State.ENDED:
                return
            folder.keep_attempt(job.output, last, how_it_ended(job.output, status))
        folder.remove(job.output, folder.STOP)
        folder.write(job.output, folder.CONFIG, job)
        _start(job.output, module, runtime, last, restarts=0, lock=lock)
    finally:
        os.close(lock)  # a local job has inherited the descriptor, and keeps the lock


def _wait_for_stop(output: str) -> None:
    """Wait until a job that was asked to stop has ended; after its patience (``jobs.stop_patience``) it is killed."""
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is not None and is_stopping(output):
        _print(f"the job in {output} was asked to stop and is saving its state; it is started again after that")
        _end(output, job, job.runtime.stop_patience)


def is_stopping(output: str) -> bool:
    """Whether the job of this folder runs and was asked to stop."""
    return (Path(output) / folder.STOP).exists() and is_running(output)


def start_again(output: str, died: StartedJob, how: str) -> None:
    """Restart a job that died, from its last checkpoint. It has no effect if another watcher did so first.

    Raises:
        BadInput, RunFailed: the job gave a reason for its end, or has used up its restarts.
        Stopped: it was asked to stop.
    """
    lock = folder.take_lock(output)
    if lock is None:
        return
    try:
        # Read again under the lock: between the watcher's look and here another watcher may have restarted the job.
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
    """Ask the job to save its state and end. It is not restarted, even if it has just died by itself.

    Returns at once, with the job; None if the folder has no job that runs or would be restarted.
    """
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is None or _is_over(output):
        return None
    (Path(output) / folder.STOP).touch()
    return job


def cancel(output: str, patience: float | None = None) -> None:
    """Ask the job to stop, and wait until it has ended; after ``patience`` seconds all its processes are killed.

    The wait, and a job that did not save its state, are reported on stderr. A job without a heartbeat has nothing to
    save yet, and is killed at once. If a second Ctrl-C interrupts the wait, the job still saves its state and ends.

    Args:
        patience: default: the job's own setting (``jobs.stop_patience``).
    """
    job = ask_to_stop(output)
    if job is None or not is_running(output):
        return
    patience = job.runtime.stop_patience if patience is None else patience
    if has_begun(output):
        _print(
            f"the job in {output} is saving its state, {patience:.0f} seconds at most; "
            "a second Ctrl-C ends this command at once, and the job ends by itself when its state is saved"
        )
    failure = _end(output, job, patience)
    if failure is not None:
        _print(failure)


def wait_until_stopped(output: str) -> str:
    """Wait for a job that was asked to stop, and kill it after its patience (``jobs.stop_patience``).

    Returns how it ended, in words.
    """
    job = folder.read(output, folder.STARTED, StartedJob)
    failure = _end(output, job, job.runtime.stop_patience) if job is not None else None
    if folder.result_of(output) is not None:
        return "had finished by then"
    return failure or f"saved its state; the next run continues from {left_behind(output)}"


def has_begun(output: str) -> bool:
    """Whether the last attempt has had its first heartbeat: from then on it may have state to save."""
    return (Path(output) / folder.HEARTBEAT).exists()


def _end(output: str, job: StartedJob, patience: float) -> str | None:
    """Wait for a job that was asked to stop, and kill it after ``patience`` seconds.

    Returns None if its state was saved, otherwise a message about its end.
    """
    begun = has_begun(output)
    if begun:
        wait_for_end(output, patience, job)
    how = "ended before it had saved its state"
    if is_running(output):
        try:
            kill(output, job)
        except Unreachable as why:
            return f"the job in {output} was asked to stop, and could not be killed: {why}"
        how = "was killed: " + (f"{patience:.0f} seconds were not enough" if begun else "it had not begun")
    error = folder.read(output, folder.ERROR, JobError)
    if error is None and folder.result_of(output) is None:
        message = f"the job in {output} was asked to stop and {how}; the next run continues from {left_behind(output)}"
        error = JobError(message=message, exit_code=RunFailed.exit_code)
        folder.write(output, folder.ERROR, error)
    return error.message if error is not None and error.exit_code != TERMINATED else None


def replace(output: str, job: StartedJob, how: str) -> None:
    """Kill an attempt that is stuck, and restart the job from its last checkpoint.

    Raises:
        BadInput, RunFailed: as `start_again` raises them. RunFailed also for a job on another machine, which can only
            be asked to stop from here.
        Unreachable: the backend does not answer.
    """
    try:
        kill(output, job)
    except Elsewhere as error:
        (Path(output) / folder.STOP).touch()
        raise RunFailed(f"the job in {output} {how}; it was asked to stop, but {error}; run again after that") from None
    start_again(output, job, how)


def kill(output: str, job: StartedJob) -> None:
    """End all processes of this attempt, and wait for their end. It has no effect if the attempt has ended.

    Raises:
        Unreachable: the backend does not answer, or the process is on another machine.
    """
    now = folder.read(output, folder.STARTED, StartedJob)
    # Only the same attempt: another watcher may have replaced it by a healthy one.
    if now is not None and now.number == job.number and is_running(output):
        backend_of(job.runtime).kill(job.handle)
        wait_for_end(output, _KILL_SECONDS, job)


def is_running(output: str) -> bool:
    """Whether the job of this folder runs or waits for resources."""
    job = folder.read(output, folder.STARTED, StartedJob)
    return status_of(output, job).state != State.ENDED if job else folder.is_locked(output)


def status_of(output: str, job: StartedJob) -> Status:
    """The job's status: from the folder's lock, else from its documents, else from the backend.

    They are tried in this order because the lock is always current, the documents are final, and the backend may be
    slow. If the backend does not answer, the job counts as running; its heartbeat shows whether it does.
    """
    if folder.is_locked(output):
        return Status(State.RUNNING)
    if _has_outcome(output):
        return Status(State.ENDED)
    return _on_backend(output, job)


def how_it_ended(output: str, status: Status) -> str:
    """How the job ended, in words: from its own error if it wrote one, else from the backend."""
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
    """The status of a process of another machine, whose lock may not be visible here: it runs as long as it has a
    heartbeat. The clocks of the machines may differ by less than the allowed silence.
    """
    beat = folder.last_beat(output)
    silent = time.time() - (job.started if beat is None else beat)
    if _has_outcome(output) or silent > job.allowed_silence(beat is not None):
        return Status(State.ENDED, f"has had no heartbeat on its machine for {silent:.0f} seconds")
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

    # Before the start: what the attempt before left must not be taken for the new one's.
    folder.remove(output, folder.ERROR, folder.HEARTBEAT)
    backend_of(runtime).start(module, output, number, lock, note)


def _why_not_again(output: str, job: StartedJob, how: str) -> MaskSearchError | None:
    """The error that ends the watching; None if the job is to be restarted."""
    error = folder.read(output, folder.ERROR, JobError)
    if error is not None and error.exit_code == TERMINATED and not error.lost:
        return Stopped(
            f"the job in {output} was asked to stop and saved its state; run again to continue from its saved state"
        )
    if error is not None and not error.lost:
        return BadInput(error.message) if error.exit_code == BadInput.exit_code else RunFailed(error.message)
    if (Path(output) / folder.STOP).exists():
        return Stopped(_how(output, f"was asked to stop, and {how}"))
    if job.restarts < job.runtime.restarts:
        return None
    again = f" after it was restarted {folder.times(job.restarts)}" if job.restarts else ""
    return RunFailed(_how(output, f"{how}{again}"))


def _how(output: str, how: str) -> str:
    lines = folder.last_lines(output)
    return (
        f"the job in {output} {how} ({lines[-1].strip() if lines else 'it printed nothing'}); "
        f"its log is {Path(output) / folder.LOG}; run again to continue from its saved state"
    )


def _has_outcome(output: str) -> bool:
    """Whether the job wrote a result, or a reason for its end."""
    return folder.result_of(output) is not None or folder.read(output, folder.ERROR, JobError) is not None


def _is_over(output: str) -> bool:
    """Whether the job has ended and will not be restarted."""
    error = folder.read(output, folder.ERROR, JobError)
    return folder.result_of(output) is not None or (error is not None and not error.lost)


def left_behind(output: str) -> str:
    """The state from which the next run continues, in words."""
    checkpoints = sorted(path.name for path in Path(output).glob("checkpoints/step-*"))
    return f"checkpoints/{checkpoints[-1]}" if checkpoints else "the work that it had finished"


def wait_for_end(output: str, seconds: float, job: StartedJob) -> None:
    """Wait until the job has ended, at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while is_running(output) and time.monotonic() < deadline:
        time.sleep(job.runtime.poll_seconds)


def _print(words: str) -> None:
    """Print to stderr, for a user at a terminal. A Ctrl-C may have ended the progress display as well."""
    print(words, file=sys.stderr, flush=True)

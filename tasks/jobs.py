"""Jobs: work of minutes or hours, in a process of its own that outlives the flow which started it.

A job is a module (``python -m MODULE CONFIG.json``) and an output folder. The folder is its identity: a flow that
starts the same job again attaches to the one that runs. Whether one runs is told by a lock that the process holds while
it lives, so that no stale process number is ever believed. In the folder:

    job.json         what was started, when, and the process
    job-config.json  what the job was told (schemas/jobs.py)
    job.log          all that it printed
    progress.json    how far it is
    job-error.json   why it ended, where it could say so
    result.json      its figures, written last: it is done
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict

from schemas.errors import BadInput, MaskSearchError, RunFailed
from schemas.jobs import Job, JobResult
from tasks import storage

TERMINATED = 143
"""Exit code of a job that was told to stop (SIGTERM) and has saved what it had."""

AnyJob = TypeVar("AnyJob", bound=Job)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartedJob(_Document):
    """``spent``: seconds that earlier processes of the same job worked, as far as the end of their logs tells."""

    module: str
    process: int
    started: float
    spent: float = 0.0


class Progress(_Document):
    """``done`` of ``total`` things called ``unit``; ``note`` is a few words for people."""

    done: int
    total: int
    unit: str
    note: str = ""


class JobError(_Document):
    message: str
    exit_code: int


# -- inside the job -------------------------------------------------------------------------------------------------


def report_progress(output: str, done: int, total: int, unit: str, note: str = "") -> None:
    storage.write_document(
        storage.join(output, "progress.json"), Progress(done=done, total=total, unit=unit, note=note)
    )


def main(model: type[AnyJob], body: Callable[[AnyJob], dict[str, Any]]) -> NoReturn:
    """The main of every job program: read the config, do the work, write its figures; or say why not and exit."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {Path(sys.argv[0]).stem} CONFIG.json")
    job = model.model_validate_json(Path(sys.argv[1]).read_bytes())
    began = time.time()
    try:
        figures = body(job)
    except MaskSearchError as error:
        storage.write_document(
            storage.join(job.output, "job-error.json"), JobError(message=str(error), exit_code=error.exit_code)
        )
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    result = JobResult(seconds=round(time.time() - began, 2), figures=figures)
    storage.write_document(storage.join(job.output, "result.json"), result)
    sys.exit(0)


# -- outside --------------------------------------------------------------------------------------------------------


def result_of(output: str) -> JobResult | None:
    """The result of a finished job, or None."""
    try:
        return storage.read_document(storage.join(output, "result.json"), JobResult)
    except FileNotFoundError:
        return None


def is_running(output: str) -> bool:
    """Whether the job of this folder has a living process."""
    lock = _lock(output)
    if lock is None:
        return True
    os.close(lock)
    return False


def start_or_attach(module: str, job: Job) -> None:
    """Start the job, unless it runs already or is done."""
    if result_of(job.output) is not None:
        return
    lock = _lock(job.output)
    if lock is None:
        return
    try:
        folder = Path(job.output)
        spent = _spent(folder)
        (folder / "job-error.json").unlink(missing_ok=True)
        storage.write_document(str(folder / "job-config.json"), job)
        with (folder / "job.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(folder / "job-config.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],  # the process holds the lock as long as it lives
            )
        storage.write_document(
            str(folder / "job.json"), StartedJob(module=module, process=process.pid, started=time.time(), spent=spent)
        )
        _children[job.output] = process
    finally:
        os.close(lock)


def watch(output: str, on_progress: Callable[[Progress], None], every: float = 0.5) -> JobResult:
    """Wait for the job to end; the result's seconds are those of all processes that worked on it.

    Raises:
        RunFailed, BadInput: it ended otherwise than with a result; with the reason it gave, or the end of its log.
    """
    said: Progress | None = None
    while True:
        running = is_running(output)
        with suppress(FileNotFoundError, ValueError):
            progress = storage.read_document(storage.join(output, "progress.json"), Progress)
            if progress != said:
                on_progress(progress)
                said = progress
        if not running:
            break
        time.sleep(every)
    process = _children.pop(output, None)
    exit_code = process.wait() if process else None
    result = result_of(output)
    if result is None:
        raise _reason(output, exit_code)
    started = _started(output)
    spent = started.spent if started else 0.0
    return result.model_copy(update={"seconds": round(result.seconds + spent, 2)})


def cancel(output: str, patience: float = 30.0) -> None:
    """Tell the job to save what it has and leave; after ``patience`` seconds its whole process group is killed."""
    started = _started(output)
    if started is None:
        return
    for word, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        if not is_running(output):
            return
        with suppress(ProcessLookupError):
            os.killpg(started.process, word)
        deadline = time.monotonic() + seconds
        while is_running(output) and time.monotonic() < deadline:
            time.sleep(0.1)


_children: dict[str, subprocess.Popen[bytes]] = {}
"""Jobs that this process started itself: their exit codes can be had."""


def _lock(output: str) -> int | None:
    """Take the folder's lock: an open descriptor that holds it, or None where a living job does.

    Somebody who only looks whether the job runs holds the lock for an instant: hence the second and third try.
    """
    Path(output).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(Path(output) / "job.lock", os.O_RDWR | os.O_CREAT)
    for _ in range(3):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(0.02)
    os.close(descriptor)
    return None


def _started(output: str) -> StartedJob | None:
    """What was last started in this folder."""
    try:
        return storage.read_document(storage.join(output, "job.json"), StartedJob)
    except FileNotFoundError:
        return None


def _spent(folder: Path) -> float:
    """Seconds of work in this folder so far: to the last sign of life of its last process, and what went before."""
    last = _started(str(folder))
    if last is None:
        return 0.0
    signs = [folder / name for name in ("progress.json", "job.log") if (folder / name).exists()]
    ended = max(sign.stat().st_mtime for sign in signs)
    return last.spent + max(0.0, ended - last.started)


def _reason(output: str, exit_code: int | None) -> MaskSearchError:
    log = Path(output) / "job.log"
    try:
        error = storage.read_document(storage.join(output, "job-error.json"), JobError)
    except FileNotFoundError:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
        last = lines[-1].strip() if lines else "it printed nothing"
        how = "was ended from outside" if exit_code is None or exit_code < 0 else f"ended with exit code {exit_code}"
        if exit_code == TERMINATED:
            how = "was told to stop and saved its state"
        return RunFailed(f"the job in {output} {how} ({last}); its log is {log}; run again to go on from where it was")
    kind = BadInput if error.exit_code == BadInput.exit_code else RunFailed
    return kind(error.message)

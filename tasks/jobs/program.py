"""The job's own side: the main function of every job program, its heartbeat, and its reports of progress and end."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from schemas.errors import TERMINATED, BadInput, JobLost, MaskSearchError, first_problem
from schemas.jobs import Job, JobResult
from tasks.jobs import folder
from tasks.jobs.folder import JobError, Progress

HANDED_LOCK = "MASKSEARCH_JOB_LOCK"
"""Environment variable: the descriptor of the folder's lock, if the starter of the process has taken it already."""

_PART_OF = "MASKSEARCH_JOB"
"""Environment variable: the folder of the job. Child processes (ranks) inherit it, and see that they are part of it."""
_BEAT_SECONDS = 1.0
_LOCK_SECONDS = 30.0

AnyJob = TypeVar("AnyJob", bound=Job)


def main(model: type[AnyJob], body: Callable[[AnyJob], dict[str, Any]]) -> NoReturn:
    """The main function of every job program: read the config, do the work, and write its figures or its error.

    SIGTERM, and a request to stop in the folder, end it with `TERMINATED`: at once, unless ``body`` installs its own
    handler. A job that was ended without a request (by a scheduler, or with its machine) is restarted.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {Path(sys.argv[0]).stem} CONFIG.json")
    job = _read(model, Path(sys.argv[1]))
    if not _own(job.output):
        _end_at_once(lambda: _work(job, body))
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_beat, args=(job.output,), name="heartbeat", daemon=True).start()
    try:
        _work(job, body)
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            folder.write(job.output, folder.ERROR, _why_left(job.output))
        raise
    sys.exit(0)


def _read(model: type[AnyJob], config: Path) -> AnyJob:
    """The job that a config describes, which a process with other packages may have written."""
    try:
        return model.model_validate_json(config.read_bytes())
    except ValidationError as error:
        refusal = BadInput(f"{config}: {first_problem(error)}")
        _write_error(str(config.parent), refusal)
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(refusal.exit_code)


def _work(job: AnyJob, body: Callable[[AnyJob], dict[str, Any]]) -> None:
    began = time.time()
    try:
        figures = body(job)
    except MaskSearchError as error:
        _write_error(job.output, error)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    _complete_progress(job.output)
    result = JobResult(seconds=round(time.time() - began, 2), figures=figures)
    folder.write(job.output, folder.RESULT, result)


def _end_at_once(work: Callable[[], None]) -> NoReturn:
    """Run ``work`` and end this rank with ``os._exit``, without the interpreter's shutdown.

    A thread of torch's may abort the process during that shutdown. The main process would take that for a death, and
    restart all ranks.
    """
    code: int | str = 0
    try:
        work()
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def report_progress(output: str, done: int, total: int, unit: str, note: str = "") -> None:
    """Report the job's progress, for people and for the watcher."""
    now = time.monotonic()
    began, done_then = _first_report.setdefault(output, (now, done))
    per_second = round((done - done_then) / (now - began), 3) if now > began else 0.0
    progress = Progress(done=done, total=total, unit=unit, note=note, per_second=max(per_second, 0.0))
    folder.write(output, folder.PROGRESS, progress)


def _complete_progress(output: str) -> None:
    """Set ``done`` to ``total`` after success: reports are throttled, and a total may be an upper bound."""
    last = folder.read(output, folder.PROGRESS, Progress)
    if last is not None and last.done != last.total:
        folder.write(output, folder.PROGRESS, last.model_copy(update={"done": last.total}))


_first_report: dict[str, tuple[float, int]] = {}
"""The time and the ``done`` of this process's first report, by folder."""


def _why_left(output: str) -> JobError:
    """The error of a job that saved its state and ended after a request or a signal."""
    if (Path(output) / folder.STOP).exists():
        message = "the job was asked to stop and saved its state; run again to continue"
        return JobError(message=message, exit_code=TERMINATED)
    message = "it received SIGTERM from outside, and saved its state"
    return JobError(message=message, exit_code=TERMINATED, lost=True)


def _own(output: str) -> bool:
    """Make this process the owner of the job; False in a rank, whose main process is the owner.

    Raises:
        SystemExit: another process works on the job. Its folder is left unchanged.
    """
    if os.environ.get(_PART_OF) == output or int(os.environ.get("RANK", "0")) > 0:
        return False
    if os.environ.pop(HANDED_LOCK, None) is None and not _lock_for_good(output):
        print(f"error: another process works on the job in {output}; wait for it or stop it", file=sys.stderr)
        sys.exit(BadInput.exit_code)
    os.environ[_PART_OF] = output
    heartbeat = Path(output) / folder.HEARTBEAT
    if heartbeat.exists():
        # This attempt was started by hand: `starting._start` removes the heartbeat of the attempt before. So the
        # request to stop is an old one; after `_start` a request would be meant for this attempt.
        folder.remove(output, folder.STOP)
    folder.remove(output, folder.ERROR, folder.STOP_RANKS)
    heartbeat.touch()
    return True


def _lock_for_good(output: str) -> bool:
    """Hold the folder's lock until the process ends: the descriptor is never closed. On a cluster the flow that started
    this job may still hold the lock for a moment, hence the retries."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while folder.take_lock(output) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _beat(output: str) -> None:
    """Touch the heartbeat as long as Python runs, and turn a request to stop into SIGTERM, once.

    It runs in a thread, so that long calls in the main thread do not stop it. Code that holds the GIL for ever does: a
    program stuck that way is to be detected.
    """
    heartbeat, stop = Path(output) / folder.HEARTBEAT, Path(output) / folder.STOP
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    has_signalled = False
    while True:
        with suppress(OSError):  # a file system that is away for a moment: the next heartbeat may succeed
            heartbeat.touch()
            if stop.exists() and not has_signalled:
                has_signalled = True
                # Sent to the main thread, because a blocking system call there ends only if that thread gets a signal.
                signal.pthread_kill(main_thread, signal.SIGTERM)
        time.sleep(_BEAT_SECONDS)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _write_error(output: str, error: MaskSearchError) -> None:
    lost = isinstance(error, JobLost)
    folder.write(output, folder.ERROR, JobError(message=str(error), exit_code=error.exit_code, lost=lost))

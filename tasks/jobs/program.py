"""Inside the job: the main of every job program, its heartbeat, and how it tells of its progress and its end."""

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
"""Environment: the descriptor of the folder's lock, where who started the process has taken it already."""

_PART_OF = "MASKSEARCH_JOB"
_BEAT_SECONDS = 1.0
_LOCK_SECONDS = 30.0

AnyJob = TypeVar("AnyJob", bound=Job)


def main(model: type[AnyJob], body: Callable[[AnyJob], dict[str, Any]]) -> NoReturn:
    """The main of every job program: read the config, do the work, write its figures; or say why not and exit.

    SIGTERM, and a request to stop in the folder, end it with `TERMINATED`: at once, until ``body`` handles the signal
    in a way of its own. Whom nobody asked to stop, but a scheduler or a machine ended, is started again.
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
        _say_why(str(config.parent), refusal)
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(refusal.exit_code)


def _work(job: AnyJob, body: Callable[[AnyJob], dict[str, Any]]) -> None:
    began = time.time()
    try:
        figures = body(job)
    except MaskSearchError as error:
        _say_why(job.output, error)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    _complete_progress(job.output)
    result = JobResult(seconds=round(time.time() - began, 2), figures=figures)
    folder.write(job.output, folder.RESULT, result)


def _end_at_once(work: Callable[[], None]) -> NoReturn:
    """End this rank with its work, not with the interpreter, whose end a thread of torch's may turn into an abort.

    The main process would take that for a death, and start all ranks again.
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
    """Tell how far the job is: to people, and to who watches it."""
    now = time.monotonic()
    began, there = _first_report.setdefault(output, (now, done))
    per_second = round((done - there) / (now - began), 3) if now > began else 0.0
    progress = Progress(done=done, total=total, unit=unit, note=note, per_second=max(per_second, 0.0))
    folder.write(output, folder.PROGRESS, progress)


def _complete_progress(output: str) -> None:
    """What ends well ends at its end: reports are throttled, and a total may be an estimate from above."""
    last = folder.read(output, folder.PROGRESS, Progress)
    if last is not None and last.done != last.total:
        folder.write(output, folder.PROGRESS, last.model_copy(update={"done": last.total}))


_first_report: dict[str, tuple[float, int]] = {}
"""By folder: when this process first told of progress, and how far it was."""


def _why_left(output: str) -> JobError:
    """Of a job that was told to stop, and has saved its state."""
    if (Path(output) / folder.STOP).exists():
        message = "the job was told to stop and saved its state; run again to go on"
        return JobError(message=message, exit_code=TERMINATED)
    message = "it was sent SIGTERM from outside, and saved its state"
    return JobError(message=message, exit_code=TERMINATED, lost=True)


def _own(output: str) -> bool:
    """Make this process the one that works on the job; False for a part of one (a rank), whose main process does.

    Raises:
        SystemExit: another process works on it; its folder is left alone.
    """
    if os.environ.get(_PART_OF) == output or int(os.environ.get("RANK", "0")) > 0:
        return False
    if os.environ.pop(HANDED_LOCK, None) is None and not _lock_for_good(output):
        print(f"error: another process works on the job in {output}: it goes on there", file=sys.stderr)
        sys.exit(BadInput.exit_code)
    os.environ[_PART_OF] = output
    heartbeat = Path(output) / folder.HEARTBEAT
    if heartbeat.exists():
        # Started by hand: who starts a job otherwise removes what the one before left. Then a request is for this one.
        folder.remove(output, folder.STOP)
    folder.remove(output, folder.ERROR, folder.STOP_RANKS)
    heartbeat.touch()
    return True


def _lock_for_good(output: str) -> bool:
    """Hold the folder's lock until the process ends. Who started it may hold it for a moment yet."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while folder.take_lock(output) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _beat(output: str) -> None:
    """Touch the heartbeat for as long as Python runs here; hand on a request to stop as SIGTERM, once."""
    heartbeat, stop = Path(output) / folder.HEARTBEAT, Path(output) / folder.STOP
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    told = False
    while True:
        with suppress(OSError):  # a file system that is away for a moment: the next beat may get through
            heartbeat.touch()
            if stop.exists() and not told:
                told = True
                # To the main thread, which may sleep in a call that only a signal of its own ends.
                signal.pthread_kill(main_thread, signal.SIGTERM)
        time.sleep(_BEAT_SECONDS)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def _say_why(output: str, error: MaskSearchError) -> None:
    lost = isinstance(error, JobLost)
    folder.write(output, folder.ERROR, JobError(message=str(error), exit_code=error.exit_code, lost=lost))

"""The folder of a job: its documents, its lock, and the facts that any process with access to the folder can read."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.jobs import JobResult
from schemas.runtime import JobsRuntime, LocalJobs
from tasks.ledger import json_lines, storage

CONFIG, STARTED, LOG = "job-config.json", "job.json", "job.log"
PROGRESS, HEARTBEAT, STOP, STOP_RANKS = "progress.json", "heartbeat", "stop", "stop-ranks"
METRICS, ERROR, RESULT, ATTEMPTS = "metrics.jsonl", "job-error.json", "result.json", "attempts.jsonl"

_LOCK = "job.lock"
_BEFORE_FIRST_BEAT = 10
"""The factor for the allowed silence before the first heartbeat."""
_LAST_LINES = 20
_LAST_BYTES = 16_384


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Document = TypeVar("Document", bound=BaseModel)


class LocalProcess(NamedTuple):
    """The leader of a local job's process group, on the machine where it was started."""

    number: int
    host: str = ""
    """The machine's name; empty in handles of an earlier version of this code."""
    born: float = 0.0
    """When it was started, in seconds since the epoch; 0 if unknown. It identifies the process, since numbers are
    reused."""

    @classmethod
    def of(cls, handle: str) -> "LocalProcess":
        number, _, rest = handle.partition("@")
        host, _, born = rest.partition("@")
        return cls(int(number), host, float(born or 0.0))

    def __str__(self) -> str:
        """The handle."""
        return f"{self.number}@{self.host}@{self.born:.2f}"


class StartedJob(_Document):
    """``job.json``: the last attempt that was started, and where."""

    module: str
    handle: str
    """The backend's identifier: a process of a machine, a Ray submission, a RayJob."""
    started: float
    """Seconds since the epoch."""
    spent: float = 0.0
    """Seconds of work of the earlier attempts, each measured until its last sign of life."""
    number: int = 1
    """The number of this attempt, from 1 for the folder's first."""
    restarts: int = 0
    """The number of restarts by watchers since a user last started the job."""
    runtime: JobsRuntime = LocalJobs()

    @property
    def process(self) -> int:
        """The number of a local job's process."""
        return LocalProcess.of(self.handle).number

    def allowed_silence(self, has_beaten: bool) -> float:
        """Seconds without a heartbeat that do not yet count as stuck. More are allowed before the first heartbeat,
        because the program imports its libraries then."""
        return self.runtime.stuck_after * (1 if has_beaten else _BEFORE_FIRST_BEAT)


class Progress(_Document):
    """``done`` of ``total`` items, named by ``unit``; ``note`` is a short remark for people."""

    done: int
    total: int
    unit: str
    note: str = ""
    per_second: float = 0.0
    """Items per second since the first report of this process; 0 after a single report."""


class JobError(_Document):
    """``job-error.json``: the reason of the job's end, written by the job itself.

    ``lost``: the job, or one of its processes, was ended from outside. It can probably continue from its last
    checkpoint, so it is restarted.
    """

    message: str
    exit_code: int
    lost: bool = False


class Attempt(_Document):
    """A line of ``attempts.jsonl``: an attempt that ended without a result. Times are seconds since the epoch."""

    number: int
    started: float
    ended: float
    how: str
    log: list[str]
    """The last lines of its output."""
    was_stopped: bool = False
    """Whether it ended after a request to stop."""


def read(output: str, name: str, model: type[Document]) -> Document | None:
    """A document of the folder; None if it does not exist, or was written by an incompatible version of this code."""
    try:
        return storage.read_document(storage.join(output, name), model)
    except (FileNotFoundError, ValidationError):
        return None


def write(output: str, name: str, document: BaseModel) -> None:
    storage.write_document(storage.join(output, name), document)


def result_of(output: str) -> JobResult | None:
    """The result of a finished job; None if it is not finished."""
    return read(output, RESULT, JobResult)


def remove(output: str, *names: str) -> None:
    for name in names:
        (Path(output) / name).unlink(missing_ok=True)


def take_lock(output: str) -> int | None:
    """Take the folder's lock. Returns an open descriptor, which holds it until it is closed; None if a job holds it.

    The kernel releases the lock when the last process with the descriptor ends, in any way: so the lock, unlike a
    process number in a file, is never stale. `is_locked` takes the lock for an instant to test it, hence the second
    and third try.
    """
    Path(output).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(Path(output) / _LOCK, os.O_RDWR | os.O_CREAT)
    for _ in range(3):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        time.sleep(0.02)
    os.close(descriptor)
    return None


def is_locked(output: str) -> bool:
    """Whether a process works on the job or starts it, on any machine that shares this file system's locks."""
    lock = take_lock(output)
    if lock is None:
        return True
    os.close(lock)
    return False


def last_beat(output: str) -> float | None:
    """The time of the last heartbeat, in seconds since the epoch; None before the first one."""
    try:
        return (Path(output) / HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        return None


def sign_of_progress(output: str) -> tuple[tuple[int, int] | None, ...]:
    """A value that changes when the job reports progress or writes metrics."""
    return tuple(_written(Path(output) / name) for name in (PROGRESS, METRICS))


def _written(path: Path) -> tuple[int, int] | None:
    """A file's time of modification in nanoseconds, and its size in bytes; None if it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def waited(output: str, job: StartedJob) -> float:
    """Seconds that a job has waited for resources: since it was started, or since its last heartbeat."""
    return max(0.0, time.time() - max(job.started, last_beat(output) or 0.0))


def last_sign_of_life(output: str) -> float | None:
    """The time of the job's last heartbeat, progress report or output, in seconds since the epoch; None if it has
    none."""
    times = []
    for name in (HEARTBEAT, PROGRESS, LOG):
        with suppress(FileNotFoundError):
            times.append((Path(output) / name).stat().st_mtime)
    return max(times, default=None)


def last_lines(output: str) -> list[str]:
    """The last non-empty lines of the job's log."""
    path = Path(output) / LOG
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        text = file.read().decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]


def attempts_of(output: str) -> list[Attempt]:
    """The failed attempts in order, without a last line that a kill cut off."""
    return [Attempt.model_validate_json(line) for line in json_lines.read(Path(output) / ATTEMPTS)]


def keep_attempt(output: str, job: StartedJob, how: str) -> None:
    """Record how an attempt ended, once. The caller holds the folder's lock, since two watchers may get here."""
    if any(attempt.number == job.number for attempt in attempts_of(output)):
        return
    ended = max(last_sign_of_life(output) or 0.0, job.started)
    attempt = Attempt(
        number=job.number,
        started=job.started,
        ended=ended,
        how=how,
        log=last_lines(output),
        was_stopped=(Path(output) / STOP).exists(),
    )
    json_lines.append(Path(output) / ATTEMPTS, [attempt.model_dump_json()])


def times(count: int) -> str:
    """A count in words."""
    return "once" if count == 1 else f"{count} times"

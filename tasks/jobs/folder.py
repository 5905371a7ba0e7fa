"""The folder of a job: its documents, its lock, and what can be read from them by whoever sees the folder."""

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
_LAST_LINES = 20
_LAST_BYTES = 16_384


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Document = TypeVar("Document", bound=BaseModel)


class LocalProcess(NamedTuple):
    """The leader of a local job's process group, on whatever machine that was started."""

    number: int
    host: str = ""
    """Empty where an earlier version of this code did not tell it."""
    born: float = 0.0
    """When it was started, in seconds since the epoch: numbers are used again. 0 where that is not known."""

    @classmethod
    def of(cls, handle: str) -> "LocalProcess":
        number, _, rest = handle.partition("@")
        host, _, born = rest.partition("@")
        return cls(int(number), host, float(born or 0.0))

    def __str__(self) -> str:
        """The handle."""
        return f"{self.number}@{self.host}@{self.born:.2f}"


class StartedJob(_Document):
    """``job.json``: what was started last, and where."""

    module: str
    handle: str
    """What the backend knows it by: a process of a machine, a Ray submission, a RayJob."""
    started: float
    spent: float = 0.0
    """Seconds that earlier attempts of the same job worked, as far as their last signs of life tell."""
    number: int = 1
    """The attempt: how often this folder's job was started, this time included."""
    restarts: int = 0
    """How many of these were watchers', since somebody last started it."""
    runtime: JobsRuntime = LocalJobs()

    @property
    def process(self) -> int:
        """The number of a local job's process."""
        return LocalProcess.of(self.handle).number

    def allowed_silence(self, has_beaten: bool) -> float:
        """Seconds without a heartbeat that are no sign yet: before the first one a program imports its libraries."""
        return self.runtime.stuck_after * (1 if has_beaten else _BEFORE_FIRST_BEAT)


class Progress(_Document):
    """``done`` of ``total`` things called ``unit``; ``note`` is a few words for people."""

    done: int
    total: int
    unit: str
    note: str = ""
    per_second: float = 0.0
    """Things done a second since this process first told of them; 0 where it told once."""


class JobError(_Document):
    """``job-error.json``: why the job ended, said by itself.

    ``lost``: it, or a part of it, was ended from outside; it may well go on from its last checkpoint, so it is started
    again.
    """

    message: str
    exit_code: int
    lost: bool = False


class Attempt(_Document):
    """A line of ``attempts.jsonl``: one attempt that did not end with a result. Times are seconds since the epoch."""

    number: int
    started: float
    ended: float
    how: str
    log: list[str]
    """The last lines that it printed."""
    was_stopped: bool = False
    """Somebody asked it to stop."""


def read(output: str, name: str, model: type[Document]) -> Document | None:
    """A document of the folder, or None: where there is none, or one that another version of this code wrote."""
    try:
        return storage.read_document(storage.join(output, name), model)
    except (FileNotFoundError, ValidationError):
        return None


def write(output: str, name: str, document: BaseModel) -> None:
    storage.write_document(storage.join(output, name), document)


def result_of(output: str) -> JobResult | None:
    """The result of a finished job, or None."""
    return read(output, RESULT, JobResult)


def remove(output: str, *names: str) -> None:
    for name in names:
        (Path(output) / name).unlink(missing_ok=True)


def take_lock(output: str) -> int | None:
    """Take the folder's lock: an open descriptor that holds it until it is closed, or None where a living job does.

    Somebody who only looks whether the job runs holds the lock for an instant: hence the second and third try.
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
    """Whether a process on a machine that shares this file system's locks works on the job, or starts it."""
    lock = take_lock(output)
    if lock is None:
        return True
    os.close(lock)
    return False


def last_beat(output: str) -> float | None:
    """When the heartbeat was touched last, in seconds since the epoch; None before the first time."""
    try:
        return (Path(output) / HEARTBEAT).stat().st_mtime
    except FileNotFoundError:
        return None


def sign_of_progress(output: str) -> tuple[tuple[int, int] | None, ...]:
    """What differs between two looks if the job told of its progress in between, or its metrics grew."""
    return tuple(_written(Path(output) / name) for name in (PROGRESS, METRICS))


def _written(path: Path) -> tuple[int, int] | None:
    """When a file was written, in nanoseconds, and how large it is."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def waited(output: str, job: StartedJob) -> float:
    """Seconds since a job that waits for resources was started, or since it had them last."""
    return max(0.0, time.time() - max(job.started, last_beat(output) or 0.0))


def last_sign_of_life(output: str) -> float | None:
    """When the job last beat, told of its progress or printed: seconds since the epoch."""
    times = []
    for name in (HEARTBEAT, PROGRESS, LOG):
        with suppress(FileNotFoundError):
            times.append((Path(output) / name).stat().st_mtime)
    return max(times, default=None)


def last_lines(output: str) -> list[str]:
    """The last lines of the job's log that are not empty."""
    path = Path(output) / LOG
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        text = file.read().decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]


def attempts_of(output: str) -> list[Attempt]:
    """The attempts that failed, in their order; a line that was cut off by a kill is left out."""
    return [Attempt.model_validate_json(line) for line in json_lines.read(Path(output) / ATTEMPTS)]


def keep_attempt(output: str, job: StartedJob, how: str) -> None:
    """Note how an attempt ended, once. The caller holds the lock."""
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

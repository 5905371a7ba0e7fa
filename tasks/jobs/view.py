"""A snapshot of a job's state, for people and for the command line."""

import json
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.jobs import folder
from tasks.jobs.backend import State
from tasks.jobs.folder import Attempt, Progress, StartedJob
from tasks.jobs.starting import status_of
from tasks.ledger import json_lines


class JobView(BaseModel):
    """The present state of a job. Ages are seconds."""

    model_config = ConfigDict(frozen=True)

    state: Literal["waiting", "running", "ended", "finished"]
    """`ended` means without a result: it failed, was stopped, or died while no watcher could restart it."""
    backend: str
    started: float
    restarts: int
    progress: Progress | None
    heartbeat_age: float | None
    """None before the first heartbeat."""
    waited: float | None
    """Seconds of waiting for resources; None if it does not wait."""
    attempts: list[Attempt]
    """The failed attempts."""
    log: list[str]
    """The last lines of its log."""
    metrics: dict[str, Any] | None
    """The last line of metrics.jsonl, if the job writes that file."""

    def __str__(self) -> str:
        words = ["its job has ended"] if self.state == "ended" else []
        if self.waited is not None:
            words.append(f"has waited for resources for {self.waited / 60:.0f} minutes")
        if self.progress:
            now = self.progress
            words.append(f"{now.done:,} of {now.total:,} {now.unit} {now.note}".rstrip())
            if now.per_second and self.state == "running":
                left = (now.total - now.done) / now.per_second
                words.append(f"{now.per_second:,.3g} per second, {left:,.0f} s left")
        if self.heartbeat_age is not None and self.state == "running":
            words.append(f"heartbeat {self.heartbeat_age:.0f} s ago")
        if self.attempts:
            words.append(f"failed {folder.times(len(self.attempts))}; the last attempt {self.attempts[-1].how}")
        return ", ".join(words)


def look(output: str) -> JobView | None:
    """The job of this folder; None if no job was ever started there."""
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is None:
        return None
    state: Literal["waiting", "running", "ended", "finished"] = "finished"
    if folder.result_of(output) is None:
        present = status_of(output, job).state
        state = "waiting" if present == State.WAITING else "running" if present == State.RUNNING else "ended"
    beat = folder.last_beat(output)
    return JobView(
        state=state,
        backend=job.runtime.backend,
        started=job.started,
        restarts=job.restarts,
        progress=folder.read(output, folder.PROGRESS, Progress),
        waited=folder.waited(output, job) if state == "waiting" else None,
        heartbeat_age=None if beat is None else max(0.0, time.time() - beat),
        attempts=folder.attempts_of(output),
        log=folder.last_lines(output),
        metrics=_last_metrics(Path(output) / folder.METRICS),
    )


def _last_metrics(path: Path) -> dict[str, Any] | None:
    """The last complete line."""
    lines = json_lines.read(path)
    return json.loads(lines[-1]) if lines else None

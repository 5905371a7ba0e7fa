"""What can be seen of a job while it runs, for people and for the command line."""

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
    """A job as it is now. Ages are seconds."""

    model_config = ConfigDict(frozen=True)

    state: Literal["waiting", "running", "ended", "finished"]
    """`ended` without a result: it failed, was stopped, or nobody watches it and starts it again."""
    backend: str
    started: float
    restarts: int
    progress: Progress | None
    heartbeat_age: float | None
    """None before the first one."""
    waited: float | None
    """For how long, where it waits for resources."""
    attempts: list[Attempt]
    """Those that failed."""
    log: list[str]
    metrics: dict[str, Any] | None
    """The last line of metrics.jsonl, where the job writes one."""

    def __str__(self) -> str:
        words = ["its job has ended"] if self.state == "ended" else []
        if self.waited is not None:
            words.append(f"waits for resources, {self.waited / 60:.0f} minutes by now")
        if self.progress:
            told = self.progress
            words.append(f"{told.done:,} of {told.total:,} {told.unit} {told.note}".rstrip())
            if told.per_second and self.state == "running":
                left = (told.total - told.done) / told.per_second
                words.append(f"{told.per_second:,.3g} a second, {left:,.0f} s left")
        if self.heartbeat_age is not None and self.state == "running":
            words.append(f"heartbeat {self.heartbeat_age:.0f} s ago")
        if self.attempts:
            words.append(f"failed {folder.times(len(self.attempts))}, the last time it {self.attempts[-1].how}")
        return ", ".join(words)


def look(output: str) -> JobView | None:
    """The job of this folder, or None where none was ever started."""
    job = folder.read(output, folder.STARTED, StartedJob)
    if job is None:
        return None
    state: Literal["waiting", "running", "ended", "finished"] = "finished"
    if folder.result_of(output) is None:
        found = status_of(output, job).state
        state = "waiting" if found == State.WAITING else "running" if found == State.RUNNING else "ended"
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
    """The last line that is whole."""
    lines = json_lines.read(path)
    return json.loads(lines[-1]) if lines else None

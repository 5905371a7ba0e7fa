"""Stops the work under a root, from any machine with access to it: jobs, and runs that build a stage's parts.

A job watches for the file `stop` in its folder (tasks/jobs), a run for the file `stop-run` in the folder of its present
stage. Every request to a run has unique content: a request that exists when a run begins the stage was meant for an
earlier run.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from uuid import uuid4

from schemas.snapshot import is_snapshot
from tasks import jobs
from tasks.ledger import leases, storage

_REQUEST = "stop-run"
_LOOK_SECONDS = 0.5


class Place(NamedTuple):
    """The folder of a stage, or of a job beside the stages, with its names."""

    folder: str
    snapshot: str
    name: str
    """``stage/label``."""

    def __str__(self) -> str:
        return f"{self.snapshot} {self.name}"


def places_under(root: str) -> Iterator[Place]:
    """All places of the pipeline under this root, and of the pipelines of its acceptance trials."""
    tried = storage.join(root, "acceptance")
    for pipeline in (root, *(storage.join(tried, name) for name in storage.names_in(tried))):
        for snapshot in filter(is_snapshot, storage.names_in(pipeline)):
            for stage in storage.names_in(storage.join(pipeline, snapshot)):
                for label in storage.names_in(storage.join(pipeline, snapshot, stage)):
                    yield Place(storage.join(pipeline, snapshot, stage, label), snapshot, f"{stage}/{label}")


def request_of(folder: str) -> bytes | None:
    """The stop request to runs that build the stage of this folder; None if there is none."""
    with suppress(FileNotFoundError):
        return storage.read_bytes(storage.join(folder, _REQUEST))
    return None


def is_at_work(place: Place) -> bool:
    return _job_runs(place) or leases.holder_of(place.folder) is not None


def ask(place: Place) -> None:
    """Ask the job or run at this place to stop; returns at once."""
    if _job_runs(place):
        jobs.ask_to_stop(place.folder)
    else:
        storage.write_bytes(storage.join(place.folder, _REQUEST), uuid4().hex.encode())


def wait(place: Place) -> str:
    """Wait for a job or run that was asked to stop; a job is killed after its patience. Returns how it ended."""
    if jobs.look(place.folder) is not None:
        return jobs.wait_until_stopped(place.folder)
    seen, since = leases.holder_of(place.folder), time.monotonic()
    while (holder := leases.holder_of(place.folder)) is not None:
        if holder != seen:
            seen, since = holder, time.monotonic()
        if time.monotonic() - since > leases.PATIENCE_SECONDS:
            return f"{holder.holder} does not renew its lease: it has ended, or cannot be reached"
        time.sleep(_LOOK_SECONDS)
    storage.remove(storage.join(place.folder, _REQUEST))
    return "stopped; the finished parts are kept"


def _job_runs(place: Place) -> bool:
    job = jobs.look(place.folder)
    return job is not None and job.state in ("waiting", "running")

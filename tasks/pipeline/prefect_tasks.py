"""The stages as Prefect tasks. This is the only file of `tasks` that imports Prefect.

Prefect is a view: `tasks.pipeline.graph.make` does the work, and the ledger records what is finished. A task shows a
progress artifact while its stage is built and a table when it is finished. It has no retries, because a stage
continues from its finished parts when the flow runs again.
"""

import time
from collections.abc import Callable
from uuid import UUID

from prefect import Task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Cancelled

from schemas.config import PipelineConfig
from schemas.errors import Stopped
from schemas.manifest import StageManifest
from tasks.jobs import Progress
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage

Listener = Callable[[Stage, Progress | StageManifest], None]
listeners: list[Listener] = []
"""Called in this process with every progress report and every stage that this run finished; the terminal uses it."""

_ARTIFACT_SECONDS = 5.0


def artifact_key(*names: str) -> str:
    """A key of lower-case letters, digits and dashes: Prefect rejects the others in wikis and labels."""
    return "-".join(names).lower().replace("_", "-").replace(".", "-")


def _key(config: PipelineConfig, stage: Stage) -> str:
    return artifact_key(config.snapshot, stage.stage, stage.label)


class _Shown:
    """The progress of one stage on the dashboard, updated at most every few seconds."""

    def __init__(self, config: PipelineConfig, stage: Stage) -> None:
        self._key, self._stage, self._artifact, self._last = f"{_key(config, stage)}-progress", stage, UUID(int=0), 0.0
        self._progress: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        for listener in listeners:
            listener(self._stage, progress)
        self._progress = progress
        if time.monotonic() - self._last >= _ARTIFACT_SECONDS or progress.done >= progress.total:
            self._publish(progress)

    def finished(self) -> None:
        """Show the end, because the last report may be earlier: another run may have finished the stage."""
        last = self._progress
        if last is not None and last.done < last.total:
            self._publish(last.model_copy(update={"done": last.total, "note": ""}))

    def _publish(self, progress: Progress) -> None:
        self._last = time.monotonic()
        share = 100.0 * progress.done / max(progress.total, 1)
        words = f"{self._stage}: {progress.done:,} of {progress.total:,} {progress.unit} {progress.note}"
        if self._artifact.int:
            update_progress_artifact(self._artifact, progress=share, description=words)
        else:
            created = create_progress_artifact(progress=share, key=self._key, description=words)
            assert isinstance(created, UUID)
            self._artifact = created


def _table(config: PipelineConfig, stage: Stage, manifest: StageManifest) -> None:
    facts = {
        "rows": f"{manifest.rows:,}",
        "rejects": ", ".join(f"{reason} {count:,}" for reason, count in manifest.rejects.items()) or "none",
        "seconds": f"{manifest.seconds:,.1f}",
        "bytes": f"{manifest.bytes:,}",
        **{f"gate: {gate.name}": gate.detail for gate in manifest.gates},
        **{name: str(value) for name, value in manifest.figures.items()},
        "fingerprint": manifest.fingerprint[:12],
        "digest": manifest.digest[:12],
    }
    table = [{"what": name, "value": value} for name, value in facts.items()]
    create_table_artifact(table=table, key=_key(config, stage), description=f"{config.snapshot}: {stage}")


def _build(config: PipelineConfig, stage: Stage) -> StageManifest | State:
    """Build a stage. If its job was stopped on request, the task's state is Cancelled, not Failed."""
    was_there = graph.is_finished(config, stage)
    shown = _Shown(config, stage)
    try:
        manifest = graph.make(config, stage, shown)
    except Stopped as stopped:
        return Cancelled(message=str(stopped))
    shown.finished()
    _table(config, stage, manifest)
    for listener in [] if was_there else listeners:
        listener(stage, manifest)
    return manifest


def task_of(stage: Stage) -> Task[[PipelineConfig, Stage], StageManifest | State]:
    """The Prefect task of a stage, named after it."""
    return Task(
        _build,
        name=stage.stage,
        task_run_name=str(stage),
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=0,  # explicit, because Prefect's settings may have another default
    )

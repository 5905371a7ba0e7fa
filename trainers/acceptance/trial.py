"""The small pipeline of an acceptance: its stages, with processes killed while some are made, and jobs beside."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from schemas.config import PipelineConfig
from schemas.errors import RunFailed, Stopped
from schemas.jobs import Job, StrikeJob, Victim
from schemas.manifest import StageManifest
from tasks import jobs
from tasks.jobs import Progress, stopping
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage
from trainers.acceptance.strikes import Strike, strikes_of

_KEPT = (".json", ".jsonl", ".log")
"""Endings of what is kept of a trial that is over."""

Tell = Callable[[str, Progress | StageManifest], None]
"""Hears how far a stage or a measurement is, by its name."""


class Training(NamedTuple):
    """How a training under strikes went; an error is why it, or the strikes, failed."""

    strikes: list[Strike]
    error: str | None
    strikes_error: str | None


class Trial:
    """Made stage by stage and job by job; what is finished is not done again."""

    def __init__(self, config: PipelineConfig, tell: Tell) -> None:
        self.config, self._tell = config, tell
        self.ledger = Ledger(config.runtime.root, config.snapshot)
        self._stages = {str(stage): stage for stage in graph.stages_of(config)}

    def begin_anew(self) -> None:
        """Remove what an earlier one made."""
        shutil.rmtree(self.config.runtime.root, ignore_errors=True)

    def clear(self) -> None:
        """Remove all but logs and figures; nothing where a job still works there, which saves its state."""
        if not Path(self.config.runtime.root).is_dir():
            return
        if any(map(stopping.is_at_work, stopping.places_under(self.config.runtime.root))):
            return
        for path in sorted(Path(self.config.runtime.root).rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):  # it holds something that is kept
                    path.rmdir()
            elif path.suffix not in _KEPT:
                path.unlink()
        self._cleared.touch()

    @property
    def is_cleared(self) -> bool:
        return self._cleared.exists()

    @property
    def _cleared(self) -> Path:
        return Path(self.config.runtime.root, "cleared")

    def make_until(self, last: str) -> None:
        """All stages up to this one.

        Raises:
            BadInput, RunFailed: as `tasks.pipeline.graph.make` does.
        """
        for name, stage in self._stages.items():
            self._make(stage)
            if name == last:
                return

    def make_under_strikes(self, name: str, module: str, victims: Sequence[Victim], after_step: int) -> Training:
        """The training stage of this name, which loses a process of each of these kinds, the first after that step.

        Raises:
            BadInput: the stage says that its input is wrong.
        """
        strikes = self._strikes(name, module, victims, after_step)
        if victims:
            jobs.start_or_attach("trainers.acceptance.strikes", strikes, self.config.runtime.jobs)
        error = strikes_error = None
        try:
            self._make(self._stages[name])
            if victims:
                strikes_error = _error_of(strikes.output)
        except Stopped:
            raise
        except RunFailed as failed:
            error = str(failed)
        finally:
            jobs.cancel(strikes.output)
        return Training(strikes_of(strikes.output), error, strikes_error)

    def run(self, name: str, module: str, job: Job) -> dict[str, Any] | str:
        """A measurement: its figures, or why there are none.

        Raises:
            BadInput: it says that its input is wrong.
        """
        try:
            return jobs.run(module, job, self.config.runtime.jobs, lambda progress: self._tell(name, progress)).figures
        except Stopped:
            raise
        except RunFailed as error:
            return str(error)

    def folder(self, name: str) -> str:
        return self.ledger.folder(*self._stages[name].name)

    def job_folder(self, name: str) -> str:
        """Of a job that is no stage's."""
        return storage.join(self.config.runtime.root, self.config.snapshot, "jobs", name)

    def _make(self, stage: Stage) -> None:
        was_there = graph.is_finished(self.config, stage)
        manifest = graph.make(self.config, stage, lambda progress: self._tell(str(stage), progress))
        if not was_there:
            self._tell(str(stage), manifest)

    def _strikes(self, name: str, module: str, victims: Sequence[Victim], after_step: int) -> StrikeJob:
        runtime = self.config.runtime
        return StrikeJob(
            output=self.job_folder(f"strikes-{name.replace('/', '-')}"),
            snapshot=self.config.snapshot,
            target=self.folder(name),
            module=module,
            victims=list(victims),
            after_step=after_step,
            in_ray=runtime.placement.is_in_cluster or not runtime.jobs.runs_here,
        )


def _error_of(output: str) -> str | None:
    """Wait for a job; why it failed, or None."""
    try:
        jobs.watch(output, lambda progress: None)
    except Stopped:
        raise
    except RunFailed as error:
        return str(error)
    return None

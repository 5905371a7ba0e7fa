"""Runs the small pipeline of an acceptance: its stages, some of them while processes are killed, and other jobs."""

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
"""Suffixes of the files that remain after an acceptance."""

Listener = Callable[[str, Progress | StageManifest], None]
"""Called with the name of a stage or measurement, and its progress or its manifest."""


class Training(NamedTuple):
    """The result of a training under strikes, with the errors of the training and of the strike job."""

    strikes: list[Strike]
    error: str | None
    strikes_error: str | None


class Trial:
    """The stages and jobs of an acceptance; finished ones are not repeated."""

    def __init__(self, config: PipelineConfig, listener: Listener) -> None:
        self.config, self._listener = config, listener
        self.ledger = Ledger(config.runtime.root, config.snapshot)
        self._stages = {str(stage): stage for stage in graph.stages_of(config)}

    def begin_anew(self) -> None:
        """Remove everything of an earlier acceptance."""
        shutil.rmtree(self.config.runtime.root, ignore_errors=True)

    def clear(self) -> None:
        """Remove everything but logs and figures; nothing if a job is still saving its state there."""
        if not Path(self.config.runtime.root).is_dir():
            return
        if any(map(stopping.is_at_work, stopping.places_under(self.config.runtime.root))):
            return
        for path in sorted(Path(self.config.runtime.root).rglob("*"), reverse=True):
            if path.is_dir():
                with suppress(OSError):  # the folder still has files to keep
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
        """Build all stages up to this one.

        Raises:
            BadInput, RunFailed: for the reasons given in `tasks.pipeline.graph.make`.
        """
        for name, stage in self._stages.items():
            self._make(stage)
            if name == last:
                return

    def make_under_strikes(self, name: str, module: str, victims: Sequence[Victim], after_step: int) -> Training:
        """Build a training stage while one process of each kind is killed, the first after step ``after_step``.

        Raises:
            BadInput: the stage's input is wrong.
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
        """Run a measuring job; returns its figures, or the error that it failed with.

        Raises:
            BadInput: the job's input is wrong.
        """
        try:
            return jobs.run(
                module, job, self.config.runtime.jobs, lambda progress: self._listener(name, progress)
            ).figures
        except Stopped:
            raise
        except RunFailed as error:
            return str(error)

    def folder(self, name: str) -> str:
        return self.ledger.folder(*self._stages[name].name)

    def job_folder(self, name: str) -> str:
        """The folder of a job that does not belong to a stage."""
        return storage.join(self.config.runtime.root, self.config.snapshot, "jobs", name)

    def _make(self, stage: Stage) -> None:
        was_there = graph.is_finished(self.config, stage)
        manifest = graph.make(self.config, stage, lambda progress: self._listener(str(stage), progress))
        if not was_there:
            self._listener(str(stage), manifest)

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
    """Wait for a job; returns its error, or None."""
    try:
        jobs.watch(output, lambda progress: None)
    except Stopped:
        raise
    except RunFailed as error:
        return str(error)
    return None

"""The small pipeline of an acceptance: its stages, with processes killed while some are made, and jobs beside."""

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from schemas.config import PipelineConfig
from schemas.errors import RunFailed
from schemas.jobs import Job, StrikeJob, Victim
from schemas.manifest import StageManifest
from tasks import graph, jobs, storage
from tasks.acceptance.strikes import Strike, strikes_of
from tasks.graph import Stage
from tasks.jobs import Progress
from tasks.ledger import Ledger

Tell = Callable[[str, Progress | StageManifest], None]
"""Hears how far a stage or a measurement is, by its name."""

_STRIKES_FROM = 2
"""Steps after which the first process is killed: there is a checkpoint then, or will soon be."""


class Trial:
    """Made stage by stage and job by job; what is finished is not done again."""

    def __init__(self, config: PipelineConfig, tell: Tell) -> None:
        self.config, self._tell = config, tell
        self.ledger = Ledger(config.runtime.root, config.snapshot)
        self._stages = {str(stage): stage for stage in graph.stages_of(config)}

    def begin_anew(self) -> None:
        """Remove what an earlier one made."""
        shutil.rmtree(self.config.runtime.root, ignore_errors=True)

    def make_until(self, last: str) -> None:
        """All stages up to this one.

        Raises:
            BadInput, RunFailed: as `tasks.graph.make` does.
        """
        for name, stage in self._stages.items():
            self._make(stage)
            if name == last:
                return

    def make_under_strikes(self, name: str, module: str, victims: Sequence[Victim]) -> str | None:
        """The training stage of this name, which loses a process of each of these kinds; why it failed, or None.

        Raises:
            BadInput: the stage says that its input is wrong.
        """
        strikes = self._strikes(name, module, victims)
        if victims and self.ledger.manifest(*self._stages[name].name) is None:
            jobs.start_or_attach("tasks.acceptance.strikes", strikes, self._runtime_of_jobs)
        try:
            self._make(self._stages[name])
        except RunFailed as error:
            return str(error)
        else:
            if victims:
                jobs.watch(strikes.output, lambda progress: None)
            return None
        finally:
            jobs.cancel(strikes.output)

    def run(self, name: str, module: str, job: Job) -> dict[str, Any] | str:
        """A measurement: its figures, or why there are none.

        Raises:
            BadInput: it says that its input is wrong.
        """
        jobs.start_or_attach(module, job, self._runtime_of_jobs)
        try:
            return jobs.watch(job.output, lambda progress: self._tell(name, progress)).figures
        except RunFailed as error:
            return str(error)
        except KeyboardInterrupt:
            jobs.cancel(job.output)
            raise

    def strikes(self, name: str) -> list[Strike]:
        """What was killed while a stage was made."""
        return strikes_of(self._strikes_folder(name))

    def folder(self, name: str) -> str:
        return self.ledger.folder(*self._stages[name].name)

    def job_folder(self, name: str) -> str:
        """Of a job that is no stage's."""
        return storage.join(self.config.runtime.root, self.config.snapshot, "jobs", name)

    @property
    def _runtime_of_jobs(self) -> Any:
        return self.config.runtime.jobs

    def _make(self, stage: Stage) -> None:
        was_there = graph.is_finished(self.config, stage)
        manifest = graph.make(self.config, stage, lambda progress: self._tell(str(stage), progress))
        if not was_there:
            self._tell(str(stage), manifest)

    def _strikes_folder(self, name: str) -> str:
        return self.job_folder(f"strikes-{name.replace('/', '-')}")

    def _strikes(self, name: str, module: str, victims: Sequence[Victim]) -> StrikeJob:
        runtime = self.config.runtime
        return StrikeJob(
            output=self._strikes_folder(name),
            snapshot=self.config.snapshot,
            target=self.folder(name),
            module=module,
            victims=list(victims),
            after_step=_STRIKES_FROM,
            in_ray=runtime.placement.layout == "split" or runtime.jobs.backend != "local",
        )

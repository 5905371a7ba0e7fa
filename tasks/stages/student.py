"""A model answers questions with live search, and the judge decides which answers it may be trained on."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import RolloutJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Question, Trajectory
from schemas.settings import AgentSettings
from schemas.training_settings import SamplingSettings
from schemas.training_steps import SampledStep
from tasks.ledger import storage
from tasks.making.asked import is_asked
from tasks.making.context import Making
from tasks.making.rollout_work import work_of_rollouts
from tasks.making.stage import Name, Seen, Work
from tasks.sets.draws import Draw
from tasks.stages.index import IndexStage
from tasks.stages.models import model_before
from tasks.stages.questions import asked_of, asking_needs, questions_of
from tasks.stages.tokenizer import TokenizerStage
from tasks.stages.trajectories import TrajectoryStage


class StudentReads(Reads):
    agent: AgentSettings
    sampling: SamplingSettings
    certified_only: bool


@dataclass(frozen=True, kw_only=True)
class StudentStage(TrajectoryStage[StudentReads]):
    """The trajectories that a step samples from the model that it begins with. The label is the step's name."""

    runs_models = True
    keys = ""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["StudentStage"]:
        for step in config.training:
            if isinstance(step, SampledStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=StudentReads(
                        agent=config.agent, sampling=step.sampling, certified_only=config.certified_only
                    ),
                    upstreams=(
                        TokenizerStage.in_config(config),
                        IndexStage.in_config(config),
                        questions_of(config, step.on),
                        model_before(config, step),
                    ),
                    needs=asking_needs(config, step.on),
                )

    @classmethod
    def named(cls, step: SampledStep) -> Name:
        return cls.stage, step.name

    def make(self, making: Making) -> StageManifest:
        settings = self.reads.sampling
        fresh = Draw[Question](settings.questions, lambda question: digest_of([settings.seed, question.question_id]))
        for path in making.upstream_paths("questions"):
            for question in asked_of(path, [settings.split], self.reads.certified_only):
                if is_asked(question, settings):
                    fresh.add(question)
        if fresh.given < settings.questions:
            raise BadInput(
                f"training.{self.label}.questions asks for {counted(settings.questions, 'question')}, but the split "
                f"{settings.split} holds {fresh.given} for it: widen training.{self.label}.share, make more questions, "
                "or ask for fewer"
            )
        questions = storage.join(making.folder, "job-questions.parquet")
        storage.write_rows(questions, Question, fresh.drawn())
        assert making.tokenizer is not None, "every student has a tokenizer"
        job = RolloutJob(
            output=making.folder,
            snapshot=making.snapshot,
            label=self.label,
            model_name=making.upstream("models").recipe.label,
            model=storage.join(making.upstream_folder("models"), "model"),
            tokenizer=making.tokenizer,
            index=making.index,
            questions=[questions],
            agent=self.reads.agent,
            settings=settings,
            engine=making.runtime.engine,
            placement=making.runtime.placement,
            fingerprint=making.open.recipe.fingerprint,
        )
        result = making.run_job("tasks.teachers.student", job)
        parts = making.open.parts(Trajectory).done()
        return self.finish(making, parts, figures=result.figures, at_least=settings.min_accepted)

    def work(self, seen: Seen | None) -> Work:
        settings = self.reads.sampling
        return work_of_rollouts(settings.questions * settings.rollouts, self.reads.agent, seen)

"""Self-evolution: the student answers fresh questions with live search, judged."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.jobs import RolloutJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Question, Trajectory
from schemas.settings import AgentSettings, StudentSettings
from tasks.ledger import storage
from tasks.making.context import Making
from tasks.making.demand import is_kept_for_evolution
from tasks.making.rollout_work import work_of_rollouts
from tasks.making.stage import Name, Seen, Work
from tasks.sets.draws import Draw
from tasks.stages.index import IndexStage
from tasks.stages.questions import QuestionStage, asked_of, asking_needs
from tasks.stages.tokenizer import TokenizerStage
from tasks.stages.trajectories import TrajectoryStage


class StudentReads(Reads):
    agent: AgentSettings
    evolution: StudentSettings
    certified_only: bool


@dataclass(frozen=True, kw_only=True)
class StudentStage(TrajectoryStage[StudentReads]):
    """One round: the student of the round before is asked."""

    keys = r"student-[1-9]\d*"
    runs_models = True

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["StudentStage"]:
        evolution = config.evolution
        for number in range(1, evolution.rounds + 1 if evolution else 0):
            assert evolution is not None
            yield cls(
                key=f"student-{number}",
                label=cls.in_round(config, number)[1],
                reads=StudentReads(
                    agent=config.agent,
                    evolution=StudentSettings.within(evolution),
                    certified_only=config.certified_only,
                ),
                upstreams=(
                    TokenizerStage.in_config(config),
                    IndexStage.in_config(config),
                    QuestionStage.in_config(config),
                    ("models", config.label(f"sft-{number - 1}")),
                ),
                needs=asking_needs(config),
            )

    @classmethod
    def in_round(cls, config: PipelineConfig, number: int) -> Name:
        return cls.stage, config.label(f"student-{number}")

    def make(self, making: Making) -> StageManifest:
        settings = self.reads.evolution
        fresh = Draw[Question](settings.questions, lambda question: digest_of([settings.seed, question.question_id]))
        for path in making.upstream_paths("questions"):
            for question in asked_of(path, [settings.split], self.reads.certified_only):
                if is_kept_for_evolution(question, settings):
                    fresh.add(question)
        if fresh.given < settings.questions:
            raise BadInput(
                f"evolution.questions asks for {settings.questions} fresh questions, but the split "
                f"{settings.split} holds {fresh.given} for it; raise evolution.share, make more questions, or ask "
                "for fewer"
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
        settings = self.reads.evolution
        return work_of_rollouts(settings.questions * settings.rollouts, self.reads.agent, seen)

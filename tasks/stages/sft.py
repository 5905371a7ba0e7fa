"""Trajectories → students: SFT on the teacher's trajectories, then, round by round, on the student's own as well."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.jobs import SftJob, TrajectorySource
from schemas.manifest import StageManifest
from schemas.settings import SftSettings
from tasks.making.context import Making
from tasks.making.stage import Name, Seen, Work
from tasks.stages.models import ModelStage, room_for_training, starting_model, training_job
from tasks.stages.student import StudentStage
from tasks.stages.teacher import TeacherStage
from tasks.stages.tokenizer import TokenizerStage


class SftReads(Reads):
    sft: SftSettings


@dataclass(frozen=True, kw_only=True)
class SftStage(ModelStage[SftReads]):
    """The first student: the starting model trained on the teacher's trajectories."""

    keys = "sft-0"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SftStage"]:
        if config.sft is not None and config.model is not None:
            yield cls(
                key="sft-0",
                label=config.label("sft-0"),
                reads=SftReads(sft=config.sft),
                upstreams=(
                    TokenizerStage.in_config(config),
                    TeacherStage.in_config(config),
                    starting_model(config),
                ),
                needs=room_for_training(config),
            )

    def make(self, making: Making) -> StageManifest:
        (taught,) = making.labels_of("trajectories")
        common = training_job(making).model_dump()
        job = SftJob(**common, settings=self.reads.sft, sources=[_source(making, taught)])
        return self.finish(making, making.run_job("trainers.sft", job))

    def work(self, seen: Seen | None) -> Work:
        return Work(tokens=self.reads.sft.steps * self.reads.sft.tokens_per_step)


class EvolvedReads(SftReads):
    student_weight: float


@dataclass(frozen=True, kw_only=True)
class EvolvedStage(ModelStage[EvolvedReads]):
    """The next student: the last student, trained further on the teacher's and its own accepted trajectories."""

    keys = r"sft-[1-9]\d*"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["EvolvedStage"]:
        evolution = config.evolution
        for number in range(1, evolution.rounds + 1 if evolution else 0):
            assert evolution is not None
            key = f"sft-{number}"
            own = [StudentStage.in_round(config, before) for before in range(1, number + 1)]
            yield cls(
                key=key,
                label=config.label(key),
                reads=EvolvedReads(sft=evolution.sft, student_weight=evolution.student_weight),
                upstreams=(
                    TokenizerStage.in_config(config),
                    TeacherStage.in_config(config),
                    *own,
                    ModelStage.named(config, f"sft-{number - 1}"),
                ),
                needs=room_for_training(config),
            )

    def make(self, making: Making) -> StageManifest:
        taught, *rounds = making.labels_of("trajectories")
        own = [_source(making, label, self.reads.student_weight) for label in rounds]
        common = training_job(making).model_dump()
        job = SftJob(**common, settings=self.reads.sft, sources=[_source(making, taught), *own])
        return self.finish(making, making.run_job("trainers.sft", job))

    def work(self, seen: Seen | None) -> Work:
        return Work(tokens=self.reads.sft.steps * self.reads.sft.tokens_per_step)


def _source(making: Making, label: str, weight: float = 1.0) -> TrajectorySource:
    paths = list(making.upstream_parts("trajectories", label).values())
    return TrajectorySource(label=label, paths=paths, weight=weight)


def last_student(config: PipelineConfig) -> Name:
    """The student of the last round."""
    return ModelStage.named(config, f"sft-{config.evolution.rounds if config.evolution else 0}")

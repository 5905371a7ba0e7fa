"""Trajectories → models: SFT on the teacher's trajectories, or on those that an earlier model found itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.jobs import SftJob, TrajectorySource
from schemas.manifest import StageManifest
from schemas.training_settings import SftSettings
from schemas.training_steps import (
    NamedStep,
    RejectionSamplingStep,
    SelfEvolutionStep,
    SftStep,
    ancestry,
    origins_of,
)
from tasks.making.context import Making
from tasks.making.stage import Name, Seen, Work
from tasks.stages.models import ModelStage, model_before, room_for_training, training_job
from tasks.stages.student import StudentStage
from tasks.stages.teacher import TeacherStage
from tasks.stages.tokenizer import TokenizerStage


class SftReads(Reads):
    sft: SftSettings


R = TypeVar("R", bound=SftReads)


@dataclass(frozen=True, kw_only=True)
class FineTunedStage(ModelStage[R]):
    """A model that is trained by SFT on the trajectories of its upstreams."""

    @classmethod
    def after(cls, config: PipelineConfig, step: NamedStep, reads: R, *trajectories: Name) -> Self:
        """The stage of a step that trains on these trajectories."""
        return cls(
            key=None,
            label=step.name,
            reads=reads,
            upstreams=(TokenizerStage.in_config(config), *trajectories, model_before(config, step)),
            needs=room_for_training(config),
        )

    def weight_of(self, place: int) -> float:
        """How often a trajectory of the upstream at this place is drawn, relative to one of weight 1."""
        return 1.0

    def make(self, making: Making) -> StageManifest:
        sources = [
            TrajectorySource(
                label=label,
                paths=list(making.upstream_parts("trajectories", label).values()),
                weight=self.weight_of(place),
            )
            for place, label in enumerate(making.labels_of("trajectories"))
        ]
        job = SftJob(**training_job(making).model_dump(), settings=self.reads.sft, sources=sources)
        return self.finish(making, making.run_job("trainers.sft", job))

    def work(self, seen: Seen | None) -> Work:
        return Work(tokens=self.reads.sft.steps * self.reads.sft.tokens_per_step)


@dataclass(frozen=True, kw_only=True)
class SftStage(FineTunedStage[SftReads]):
    """Trained on the teacher's trajectories."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SftStage"]:
        for step in config.training:
            if isinstance(step, SftStep):
                yield cls.after(config, step, SftReads(sft=step.settings), TeacherStage.on(config, step.on))


@dataclass(frozen=True, kw_only=True)
class RejectionSampledStage(FineTunedStage[SftReads]):
    """Trained on those of its predecessor's trajectories that the judge accepted."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["RejectionSampledStage"]:
        for step in config.training:
            if isinstance(step, RejectionSamplingStep):
                yield cls.after(config, step, SftReads(sft=step.sft), StudentStage.named(step))


class EvolvedReads(SftReads):
    student_weight: float


@dataclass(frozen=True, kw_only=True)
class EvolvedStage(FineTunedStage[EvolvedReads]):
    """One round of self-evolution: trained on the teacher's trajectories, those of earlier rounds, and this round's."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["EvolvedStage"]:
        for step in config.training:
            if isinstance(step, SelfEvolutionStep):
                rounds = map(StudentStage.named, _rounds_until(config, step))
                reads = EvolvedReads(sft=step.sft, student_weight=step.student_weight)
                yield cls.after(config, step, reads, TeacherStage.on(config, step.on), *rounds)

    def weight_of(self, place: int) -> float:
        return self.reads.student_weight if place else 1.0  # the teacher's come first


def _rounds_until(config: PipelineConfig, step: SelfEvolutionStep) -> list[SelfEvolutionStep]:
    """The rounds of self-evolution on the same set that led to this step, and the step itself, the first one first."""
    by_name = {each.name: each for each in config.training}
    before = [by_name[name] for name in ancestry(origins_of(config.training), step.name)]
    rounds = [each for each in before if isinstance(each, SelfEvolutionStep) and each.on == step.on]
    return [*reversed(rounds), step]

"""Trajectories → models: SFT on the teacher's trajectories, or on those that an earlier model found itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.jobs import SftJob, TrajectorySource
from schemas.manifest import StageManifest
from schemas.training_settings import SftSettings
from schemas.training_steps import (
    RejectionSamplingStep,
    SelfEvolutionStep,
    SftStep,
    ancestry,
    origins_of,
)
from tasks.making.context import Making
from tasks.making.stage import S, Seen, Work
from tasks.stages.models import ModelStage, model_before, room_for_training, training_job
from tasks.stages.student import StudentStage
from tasks.stages.teacher import TeacherStage
from tasks.stages.tokenizer import TokenizerStage


class SftReads(Reads):
    sft: SftSettings


@dataclass(frozen=True, kw_only=True)
class FineTunedStage(ModelStage[S]):
    """The base of models that are trained by SFT."""

    def train(self, making: Making, settings: SftSettings, sources: list[TrajectorySource]) -> StageManifest:
        common = training_job(making).model_dump()
        return self.finish(making, making.run_job("trainers.sft", SftJob(**common, settings=settings, sources=sources)))

    def work_of(self, settings: SftSettings) -> Work:
        return Work(tokens=settings.steps * settings.tokens_per_step)


@dataclass(frozen=True, kw_only=True)
class SftStage(FineTunedStage[SftReads]):
    """A model trained on the teacher's trajectories."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SftStage"]:
        for step in config.training:
            if isinstance(step, SftStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=SftReads(sft=step.settings),
                    upstreams=(
                        TokenizerStage.in_config(config),
                        TeacherStage.on(config, step.on),
                        model_before(config, step),
                    ),
                    needs=room_for_training(config),
                )

    def make(self, making: Making) -> StageManifest:
        return self.train(making, self.reads.sft, [_source(making, label) for label in _taught(making)])

    def work(self, seen: Seen | None) -> Work:
        return self.work_of(self.reads.sft)


class EvolvedReads(SftReads):
    student_weight: float


@dataclass(frozen=True, kw_only=True)
class EvolvedStage(FineTunedStage[EvolvedReads]):
    """One round of self-evolution: trained on the teacher's trajectories, this round's, and those of earlier rounds."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["EvolvedStage"]:
        for step in config.training:
            if isinstance(step, SelfEvolutionStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=EvolvedReads(sft=step.sft, student_weight=step.student_weight),
                    upstreams=(
                        TokenizerStage.in_config(config),
                        TeacherStage.on(config, step.on),
                        *(StudentStage.named(each) for each in rounds_until(config, step)),
                        model_before(config, step),
                    ),
                    needs=room_for_training(config),
                )

    def make(self, making: Making) -> StageManifest:
        taught, *rounds = _taught(making)
        own = [_source(making, label, self.reads.student_weight) for label in rounds]
        return self.train(making, self.reads.sft, [_source(making, taught), *own])

    def work(self, seen: Seen | None) -> Work:
        return self.work_of(self.reads.sft)


@dataclass(frozen=True, kw_only=True)
class RejectionSampledStage(FineTunedStage[SftReads]):
    """A model trained on those of its predecessor's trajectories that the judge accepted."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["RejectionSampledStage"]:
        for step in config.training:
            if isinstance(step, RejectionSamplingStep):
                yield cls(
                    key=None,
                    label=step.name,
                    reads=SftReads(sft=step.sft),
                    upstreams=(
                        TokenizerStage.in_config(config),
                        StudentStage.named(step),
                        model_before(config, step),
                    ),
                    needs=room_for_training(config),
                )

    def make(self, making: Making) -> StageManifest:
        return self.train(making, self.reads.sft, [_source(making, label) for label in _taught(making)])

    def work(self, seen: Seen | None) -> Work:
        return self.work_of(self.reads.sft)


def rounds_until(config: PipelineConfig, step: SelfEvolutionStep) -> list[SelfEvolutionStep]:
    """The rounds of self-evolution on the same set that led to this step, and the step itself, the first one first."""
    by_name = {each.name: each for each in config.training}
    before = [by_name[name] for name in ancestry(origins_of(config.training), step.name)]
    rounds = [each for each in before if isinstance(each, SelfEvolutionStep) and each.on == step.on]
    return [*reversed(rounds), step]


def _taught(making: Making) -> list[str]:
    return making.labels_of("trajectories")


def _source(making: Making, label: str, weight: float = 1.0) -> TrajectorySource:
    paths = list(making.upstream_parts("trajectories", label).values())
    return TrajectorySource(label=label, paths=paths, weight=weight)

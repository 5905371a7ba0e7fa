"""The steps of training: each makes one model from an earlier one. `training` in a config is a list of them."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from schemas.identity import Identity
from schemas.records import Split
from schemas.set_settings import RAMP
from schemas.training_settings import (
    AskedQuestions,
    BaseSettings,
    CurriculumPhase,
    DapoSettings,
    SamplingSettings,
    SftSettings,
)

START = "start"
"""The name of the model before all steps."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


class NamedStep(Identity):
    """What all steps have. Its name is the label of its model in the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    """The step's name, and its model's: small letters, digits, dots, dashes and underscores."""
    origin: str | None = Field(None, alias="from")
    """The step whose model this step begins with, or `start`, the config's `model`; null: the step before."""

    @field_validator("name")
    @classmethod
    def _is_a_label(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name in (START, RAMP):
            raise ValueError(
                f"{name!r} cannot name a step: use small letters, digits, dots, dashes and underscores, and neither "
                f"{START} nor {RAMP}"
            )
        return name


class LanguageModellingStep(NamedStep, BaseSettings):
    """Language modelling on all tokens of the train split's text."""

    kind: Literal["language_modelling"]

    @property
    def settings(self) -> BaseSettings:
        return BaseSettings.within(self)


class QuestionStep(NamedStep):
    """A step that trains on questions, or on trajectories that answer them."""

    on: str = RAMP
    """The set whose questions it trains on: `ramp`, or the name of a set in the config's `sets`."""


class SftStep(QuestionStep, SftSettings):
    """Supervised fine-tuning on the teacher's accepted trajectories."""

    kind: Literal["sft"]

    @property
    def settings(self) -> SftSettings:
        return SftSettings.within(self)


class SampledStep(QuestionStep, SamplingSettings):
    """The model that the step begins with answers questions, and is then trained on what the judge accepts."""

    sft: SftSettings
    """The training on the accepted trajectories."""

    @property
    def sampling(self) -> SamplingSettings:
        return SamplingSettings.within(self)


class SelfEvolutionStep(SampledStep):
    """One round of self-evolution: it trains on the teacher's trajectories too, and on those of earlier rounds."""

    kind: Literal["self_evolution"]
    student_weight: Annotated[float, Field(gt=0)] = 1.0
    """How often an accepted student trajectory is drawn, relative to a teacher's."""


class RejectionSamplingStep(SampledStep):
    """Rejection sampling: it trains on the accepted trajectories of this step alone."""

    kind: Literal["rejection_sampling"]


class DapoStep(QuestionStep, AskedQuestions, DapoSettings):
    """Reinforcement learning with live search."""

    kind: Literal["dapo"]

    @property
    def settings(self) -> DapoSettings:
        return DapoSettings.within(self)

    @property
    def asked(self) -> AskedQuestions:
        return AskedQuestions.within(self)


TrainingStep = Annotated[
    LanguageModellingStep | SftStep | SelfEvolutionStep | RejectionSamplingStep | DapoStep,
    Field(discriminator="kind"),
]


def origins_of(steps: Sequence[NamedStep]) -> dict[str, str]:
    """For each step the name of the step that it begins with, or `start`.

    Raises:
        ValueError: two steps have one name, or a step begins with one that is not before it.
    """
    origins: dict[str, str] = {}
    before = START
    for step in steps:
        if step.name in origins:
            raise ValueError(f"training has two steps named {step.name}: give each step its own name")
        origin = step.origin or before
        if origin != START and origin not in origins:
            known = ", ".join([START, *origins])
            raise ValueError(f"training.{step.name}: from {origin} names no step before it: choose one of {known}")
        origins[step.name] = origin
        before = step.name
    return origins


def ancestry(origins: dict[str, str], name: str) -> Iterable[str]:
    """The steps that a step builds on, the nearest first."""
    while (name := origins.get(name, START)) != START:
        yield name


def phases_of(step: QuestionStep) -> list[CurriculumPhase]:
    """The phases of the curriculum that the step trains by."""
    if isinstance(step, SampledStep):
        return step.sft.curriculum
    assert isinstance(step, SftStep | DapoStep)
    return step.curriculum


def splits_trained_on(step: NamedStep, taught: Iterable[Split]) -> list[tuple[str, Split]]:
    """The sets and splits whose questions a step learns from; ``taught`` are the splits that the teacher answers."""
    found: list[tuple[str, Split]] = []
    if isinstance(step, SftStep | SelfEvolutionStep):
        found += [(step.on, split) for split in taught]
    if isinstance(step, SampledStep | DapoStep):
        found.append((step.on, step.split))
    return found

"""The steps of training: each makes one model from an earlier one. `training` in a config is a list of them."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator

from schemas.identity import Identity
from schemas.names import RAMP, START, refuse_name
from schemas.records import Split
from schemas.training_settings import (
    AskedQuestions,
    CurriculumPhase,
    DapoSettings,
    LanguageModellingSettings,
    SamplingSettings,
    SftSettings,
)


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
        refuse_name(name, "the name of a step")
        if name == START:
            raise ValueError("start names the model before all steps: give the step another name")
        return name


class LanguageModellingStep(NamedStep, LanguageModellingSettings):
    """Language modelling on all tokens of the train split's text."""

    kind: Literal["language_modelling"]

    @property
    def settings(self) -> LanguageModellingSettings:
        return LanguageModellingSettings.within(self)


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


def ends_of(origins: dict[str, str]) -> list[str]:
    """The steps that no other step begins with, in the order of the list: the first ends the main branch."""
    return [name for name in origins if name not in origins.values()]


def ancestry(origins: dict[str, str], name: str) -> Iterable[str]:
    """The steps that a step builds on, the nearest first."""
    while (name := origins.get(name, START)) != START:
        yield name


def last_on(steps: Sequence[NamedStep], asked: str) -> str:
    """The last step of the main branch that trains on a set, or else the end of that branch; `start` without steps."""
    origins = origins_of(steps)
    end = next(iter(ends_of(origins)), START)
    trained_on = {step.name for step in steps if isinstance(step, QuestionStep) and step.on == asked}
    return next((name for name in (end, *ancestry(origins, end)) if name in trained_on), end)


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

"""Which splits of which sets a config evaluates, which it trains on, and which the leak check keeps apart."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from schemas.names import RAMP
from schemas.records import Split
from schemas.training_steps import LanguageModellingStep, SelfEvolutionStep, SftStep, splits_trained_on

if TYPE_CHECKING:
    from schemas.config import PipelineConfig

TRAINING = (Split.TRAIN, Split.RL)
"""The splits that are for training, whether a step of the config trains on them or not."""


class Use(NamedTuple):
    """A use of the questions, or pages, of one split of a set, and the setting that names it."""

    setting: str
    set: str
    split: Split


def evaluated_in(config: "PipelineConfig") -> Iterator[Use]:
    """Every split whose questions all models answer."""
    sets = {} if config.evaluation is None else config.evaluation.sets
    for name, asked in sets.items():
        yield Use(f"evaluation.sets.{name}.split", name, asked.split)


def trained_on(config: "PipelineConfig") -> Iterator[Use]:
    """Everything that something learns from."""
    if config.tokenizer is not None and config.tokenizer.vocabulary is not None:
        yield Use("the training text of tokenizer.vocabulary", RAMP, Split.TRAIN)
    taught = [] if config.teacher is None else config.teacher.splits
    if not any(isinstance(step, SftStep | SelfEvolutionStep) for step in config.training):
        yield from (Use("teacher.splits", RAMP, split) for split in taught)
    for step in config.training:
        if isinstance(step, LanguageModellingStep):
            yield Use(f"the training text of training.{step.name}", RAMP, Split.TRAIN)
        uses_teacher = isinstance(step, SftStep | SelfEvolutionStep)
        for name, split in splits_trained_on(step, taught):
            is_taught = uses_teacher and split in taught
            yield Use("teacher.splits" if is_taught else f"training.{step.name}", name, split)


def splits_of_set(config: "PipelineConfig", name: str) -> Collection[Split]:
    """The splits of a set in `sets` that have questions; empty where the set's file decides."""
    settings = config.sets[name]
    is_of_world = settings.path is None and not settings.splits
    return config.world.families if is_of_world and config.world is not None else settings.splits


def held_splits(config: "PipelineConfig", name: str) -> list[Split]:
    """The splits of a set, or of RAMP, whose questions must not leak: those that are evaluated, and dev and test unless
    something is trained on them. A split without questions is left out, as far as the config knows."""
    kept = _evaluated(config, name) | ({Split.DEV, Split.TEST} - _trained(config, name))
    return [split for split in _existing(config, name) if split in kept]


def trainable_splits(config: "PipelineConfig", name: str) -> list[Split]:
    """The splits of a set, or of RAMP, that something trains on or may train on."""
    return [split for split in _existing(config, name) if split in checked_splits(config, name)]


def checked_splits(config: "PipelineConfig", name: str) -> list[Split]:
    """The splits whose questions are rejected if they leak: as `trainable_splits`, whether they have questions or
    not."""
    trained = {*TRAINING, *_trained(config, name)} - _evaluated(config, name)
    return [split for split in Split if split in trained]


def leak_sets(config: "PipelineConfig") -> dict[str, list[Split]]:
    """The sets in `sets` that the leak check looks at, each with its splits that must not leak."""
    leaks = config.ramp.leaks
    names = [] if leaks is None else [name for name in config.sets if name not in leaks.unchecked]
    return {name: splits for name in names if (splits := held_splits(config, name))}


def _existing(config: "PipelineConfig", name: str) -> list[Split]:
    known = () if name == RAMP else splits_of_set(config, name)
    return [split for split in Split if not known or split in known]


def _evaluated(config: "PipelineConfig", name: str) -> set[Split]:
    return {use.split for use in evaluated_in(config) if use.set == name}


def _trained(config: "PipelineConfig", name: str) -> set[Split]:
    """Without steps of training a teacher may answer any split, for people to look at."""
    return {use.split for use in trained_on(config) if use.set == name} if config.training else set()

"""What must hold between the sections of a config. Each check raises ValueError, whose text names the settings."""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from schemas.corpus_settings import LeakSettings
from schemas.evaluation_settings import ContestantSettings, EvaluationSettings
from schemas.names import RAMP, START
from schemas.records import Split
from schemas.split_uses import Use, evaluated_in, leak_sets, splits_of_set, trainable_splits, trained_on
from schemas.training_steps import DapoStep, QuestionStep, SelfEvolutionStep, SftStep, origins_of, phases_of

if TYPE_CHECKING:
    from schemas.config import PipelineConfig


def refuse_wrong_steps(config: "PipelineConfig") -> None:
    """Each step of training has what it needs, and its curriculum goes by what its set has."""
    origins_of(config.training)
    for step in config.training:
        if isinstance(step, SftStep | SelfEvolutionStep) and config.teacher is None:
            raise ValueError(f"training.{step.name} needs the section teacher")
        if isinstance(step, QuestionStep):
            _refuse_another_unit(step)
        if isinstance(step, DapoStep) and step.staleness and config.runtime.placement.takes_turns:
            raise ValueError(
                f"training.{step.name}.staleness: set 0, because engines in runtime.placement.layout shared sleep "
                "while ranks train"
            )


def _refuse_another_unit(step: QuestionStep) -> None:
    unit = "masks" if step.on == RAMP else "hops"
    for phase in phases_of(step):
        if phase.bound is not None and phase.unit != unit:
            raise ValueError(
                f"training.{step.name}: a phase has max_{phase.unit}, but the questions of {step.on} have {unit}: "
                f"give max_{unit}"
            )


def refuse_unknown_sets(config: "PipelineConfig") -> None:
    """Steps and the evaluation name sets that the config has, and the world has what is taken of it."""
    for name, settings in config.sets.items():
        if settings.path is None and (config.world is None or not getattr(config.world, settings.world)):
            raise ValueError(
                f"sets.{name} has no path: give one, or a world with {settings.world} of its own "
                f"(world.{settings.world})"
            )
    known = [RAMP, *config.sets]
    named = [(f"training.{step.name}.on", step.on) for step in config.training if isinstance(step, QuestionStep)]
    if config.evaluation is not None:
        named += [("evaluation.sets", name) for name in config.evaluation.sets]
        _refuse_unknown_models(config, config.evaluation)
    for setting, name in named:
        if name not in known:
            choices = ", ".join(known)
            raise ValueError(f"{setting} names the set {name!r}, which is not in sets: choose one of {choices}")


def _refuse_unknown_models(config: "PipelineConfig", evaluation: EvaluationSettings) -> None:
    models = [START, *(step.name for step in config.training)]
    paths: dict[str, str] = {}
    for name, settings in evaluation.sets.items():
        where = f"evaluation.sets.{name}.contestants"
        for contestant in settings.contestants or ():
            if contestant.path is not None:
                _refuse_unclear_model(where, contestant, [*models, config.label("untrained")], paths)
            elif contestant.model not in models:
                raise ValueError(
                    f"{where} names the model {contestant.model!r}: choose one of {', '.join(models)}, or give the "
                    "path of a published model"
                )
            _refuse_long_texts(where, contestant, config)
        _refuse_same_contestants(where, settings.contestants or ())
        if settings.known_by is not None:
            _refuse_known_by(config, f"evaluation.sets.{name}.known_by", name, settings.known_by, models)


def _refuse_unclear_model(
    where: str, contestant: ContestantSettings, taken: Collection[str], paths: dict[str, str]
) -> None:
    """A published model has a name of its own, and one path under it. ``paths`` are those of the names so far."""
    if contestant.model in taken:
        raise ValueError(
            f"{where}: the model {contestant.model!r} has a path, but a model of this config has that name: give the "
            "published model another name"
        )
    if paths.setdefault(contestant.model, str(contestant.path)) != contestant.path:
        raise ValueError(
            f"{where}: the model {contestant.model!r} has the paths {paths[contestant.model]} and {contestant.path}: "
            "give each model a name of its own"
        )


def _refuse_long_texts(where: str, contestant: ContestantSettings, config: "PipelineConfig") -> None:
    """A protocol must not have longer texts than the config's own architecture reads."""
    protocol, own = contestant.protocol, config.model
    if protocol is None or contestant.path is not None or own is None or own.path is not None:
        return
    needed = protocol.limits.max_tokens
    if needed is not None and needed > own.max_position:
        raise ValueError(
            f"{where}: the protocol {protocol.name} has max_tokens {needed}, and the model {contestant.model} reads "
            f"{own.max_position} (model.max_position): lower the one or raise the other"
        )


def _refuse_same_contestants(where: str, contestants: Sequence[ContestantSettings]) -> None:
    seen = set()
    for each in contestants:
        protocol = "" if each.protocol is None else f", protocol {each.protocol.name}"
        words = f"{each.model}, way {each.way}, retrieval {each.retrieval}{protocol}"
        if words in seen:
            raise ValueError(
                f"{where}: two contestants are {words}: remove one, or give their protocols different names"
            )
        seen.add(words)


def _refuse_known_by(config: "PipelineConfig", setting: str, name: str, model: str, models: Collection[str]) -> None:
    if name == RAMP:
        raise ValueError(f"{setting}: remove it: only questions of a set are answered without a search, not masks")
    if model not in models:
        raise ValueError(f"{setting} names the model {model!r}: choose one of {', '.join(models)}")
    if model == START and config.model is not None and config.model.path is None:
        raise ValueError(
            f"{setting} start: the config's model begins from random weights and knows nothing: remove it, or name a "
            "step of training"
        )


def refuse_training_on_what_is_evaluated(config: "PipelineConfig") -> None:
    """No split of a set is both trained on and evaluated."""
    evaluated = {(use.set, use.split) for use in evaluated_in(config)}
    for use in trained_on(config):
        if (use.set, use.split) in evaluated:
            raise ValueError(
                f"evaluation.sets.{use.set}.split is {use.split}, and so is {use.setting}: a model cannot be evaluated "
                "on its training questions; name another split in one of them"
            )


def refuse_wrong_leaks(config: "PipelineConfig") -> None:
    """The leak check names sets that exist, and no file that would reject all questions to train on."""
    leaks = config.ramp.leaks
    if leaks is None:
        return
    for name in leaks.unchecked:
        if name not in config.sets:
            known = f"choose one of {', '.join(config.sets)}" if config.sets else "the config has no sets"
            raise ValueError(f"ramp.leaks.unchecked names the set {name!r}, which is not in sets: {known}")
    if not leak_sets(config):
        unread = ("evidence",) if leaks.sets else ("words", "fewest_words", "evidence", "max_share")
        _refuse_unread_leaks(leaks, unread)
    listed = {each.path for each in leaks.sets}
    for name, settings in config.sets.items():
        if settings.path in listed and trainable_splits(config, name):
            raise ValueError(
                f"ramp.leaks.sets names {settings.path}, which sets.{name} trains on, so that all its questions would "
                "leak: remove it there; its splits that are evaluated are looked at without being named"
            )


def _refuse_unread_leaks(leaks: LeakSettings, names: Iterable[str]) -> None:
    try:
        leaks.refuse_unread(names, "no set of the config's sets is evaluated or has a split dev or test")
    except ValueError as error:
        raise ValueError(f"ramp.leaks.{error}") from None


def refuse_missing_splits(config: "PipelineConfig") -> None:
    """The splits that are used have questions, as far as the config says."""
    for use in (*trained_on(config), *evaluated_in(config)):
        if use.set == RAMP:
            _refuse_a_split_without_pages(config, use)
            continue
        splits = splits_of_set(config, use.set)
        if splits and use.split not in splits:
            existing = ", ".join(splits)
            raise ValueError(
                f"{use.setting} needs the split {use.split} of the set {use.set}, which has {existing}: change its "
                "split or shares, or name another split"
            )


def _refuse_a_split_without_pages(config: "PipelineConfig", use: Use) -> None:
    existing = _splits_of_ramp(config)
    if existing is None or use.split in existing:
        return
    needs = f"{use.setting} needs the split {use.split}"
    if config.world is not None:
        raise ValueError(f"{needs}, which has no families: give world.families a number for {use.split}")
    if use.split == Split.DEV:
        raise ValueError(f"{needs}, which ramp.splits held_out does not make: name another split")
    share = "rl_share" if use.split == Split.RL else "held_out_share"
    raise ValueError(f"{needs}, which has no pages: raise ramp.{share} above 0")


def _splits_of_ramp(config: "PipelineConfig") -> set[Split] | None:
    """The splits of RAMP that have pages; None where a table beside the dump decides."""
    if config.ramp.splits == "held_out":
        shares = {Split.TEST: config.ramp.held_out_share, Split.RL: config.ramp.rl_share}
        return {Split.TRAIN, *(split for split, share in shares.items() if share)}
    return set(config.world.families) if config.world is not None else None

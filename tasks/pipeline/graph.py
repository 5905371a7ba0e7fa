"""The stages of a config, in order, and how one of them is made; run, plan and status read it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

from schemas.config import PipelineConfig
from schemas.errors import BadInput, RunFailed
from schemas.manifest import StageManifest
from tasks.jobs import Progress
from tasks.ledger.ledger import Ledger
from tasks.ledger.outside import remembered
from tasks.making import stage as declaration
from tasks.making.context import FinishedMeanwhile, Making
from tasks.making.stage import Name
from tasks.pipeline.registry import KINDS

Stage: TypeAlias = declaration.Stage[Any]


def stages_of(config: PipelineConfig) -> list[Stage]:
    """Every stage of the config, each after those it is made from.

    Raises:
        BadInput: two stages have the same label, or `labels` names a stage that does not exist.
    """
    for key in config.labels:
        if not any(kind.has_key(key) for kind in KINDS):
            data_stages = ", ".join(kind.stage for kind in KINDS if kind.keys is None and kind.has_key(kind.stage))
            raise BadInput(f"labels: no stage goes by {key!r}; there are {data_stages}, sft-0, dapo …")
    stages = [stage for kind in KINDS for stage in kind.of(config)]
    for name, count in Counter(stage.name for stage in stages).items():
        if count > 1:
            raise BadInput(f"labels: {count} stages would go by {'/'.join(name)}; give each a label of its own")
    return _ordered(stages)


def _ordered(stages: Iterable[Stage]) -> list[Stage]:
    """Each after its upstreams, else in the given order."""
    by_name = {stage.name: stage for stage in stages}
    ordered: dict[Name, Stage] = {}

    def add(stage: Stage) -> None:
        for name in stage.upstreams:
            if name not in ordered:
                add(by_name[name])
        ordered[stage.name] = stage

    for stage in by_name.values():
        if stage.name not in ordered:
            add(stage)
    return list(ordered.values())


def upstream_closure(stages: Sequence[Stage], wanted: Iterable[Stage]) -> list[Stage]:
    """The wanted stages and all that they are made from, in the order of ``stages``."""
    by_name = {stage.name: stage for stage in stages}
    names: set[Name] = set()
    open_ends = list(wanted)
    while open_ends:
        stage = open_ends.pop()
        names.add(stage.name)
        open_ends += [by_name[name] for name in stage.upstreams if name not in names]
    return [stage for stage in stages if stage.name in names]


def make(config: PipelineConfig, stage: Stage, on_progress: Callable[[Progress], None]) -> StageManifest:
    """Make a stage, or what is missing of it; a finished one is given back as it is.

    Raises:
        BadInput: its label holds something made in another way, or its input is wrong.
        RunFailed: work failed or a gate does not hold; what was finished is kept.
    """
    ledger = Ledger(config.runtime.root, config.snapshot)
    recipe = stage.recipe(ledger)
    if recipe is None:
        missing = [f"{name}/{label}" for name, label in stage.upstreams if ledger.manifest(name, label) is None]
        raise BadInput(f"{stage} is made from {', '.join(missing)}, not there yet: run the whole pipeline first")
    opened = ledger.open(recipe, stage.key)
    finished = _finished(ledger, stage)
    if finished is not None:
        return finished
    if stage.together:
        _open_siblings(config, ledger, stage)
    with ExitStack() as held:
        try:
            return stage.make(Making(config.runtime, ledger, opened, on_progress, held))
        except FinishedMeanwhile as other:
            return other.manifest


def _open_siblings(config: PipelineConfig, ledger: Ledger, stage: Stage) -> None:
    for sibling in stages_of(config):
        recipe = sibling.recipe(ledger) if sibling.stage == stage.stage else None
        if recipe is not None:
            ledger.open(recipe, sibling.key)


def is_finished(config: PipelineConfig, stage: Stage) -> bool:
    """Whether the stage lies there, made in just this way.

    Raises:
        BadInput: its label holds something made in another way, or from something else outside.
    """
    ledger = Ledger(config.runtime.root, config.snapshot)
    recipe = stage.recipe(ledger)
    if recipe is None:
        return False
    if ledger.recipe(stage.stage, stage.label) is None:
        return False
    ledger.open(recipe, stage.key)
    return _finished(ledger, stage) is not None


def _finished(ledger: Ledger, stage: Stage) -> StageManifest | None:
    """Of a stage whose recipe is known to be the one that lies there; raises BadInput as `is_finished` does."""
    manifest = ledger.manifest(stage.stage, stage.label)
    changed = changes_outside(ledger, manifest, stage.places) if manifest else []
    if changed:
        raise ledger.refusal(stage.stage, stage.label, changed, stage.key)
    return manifest


def changes_outside(ledger: Ledger, made: StageManifest, places: Sequence[str] = ()) -> list[str]:
    """How the files outside the root differ from those that a finished stage was made from, in words.

    Without places they are looked for where they last were. A store that does not answer shows no change.
    """
    places = places or remembered(ledger.folder(made.recipe.stage, made.recipe.label)).places
    if not places:
        return []
    try:
        kinds = (kind for kind in KINDS if kind.stage == made.recipe.stage)
        return [words for kind in kinds for words in kind.changes(ledger, made, places)]
    except RunFailed:
        return []

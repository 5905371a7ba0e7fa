"""The stages of a config in order, and how to build one of them. The commands run, plan and status use it."""

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
from tasks.pipeline.registry import KINDS, STEPS

Stage: TypeAlias = declaration.Stage[Any]


def stages_of(config: PipelineConfig) -> list[Stage]:
    """Every stage of the config, each after its upstreams.

    Raises:
        BadInput: two stages have the same label, or `labels` names a stage that does not exist.
    """
    places = {step.name: number for number, step in enumerate(config.training)}
    in_steps = sorted((stage for kind in STEPS for stage in kind.of(config)), key=lambda stage: places[stage.label])
    others = [stage for kind in KINDS if kind not in STEPS for stage in kind.of(config)]
    answers = [stage for stage in others if stage.group == "evaluate"]
    stages = [*(stage for stage in others if stage.group != "evaluate"), *in_steps, *answers]
    _refuse_unused_labels(config, stages)
    for name, count in Counter(stage.name for stage in stages).items():
        if count > 1:
            raise BadInput(f"labels: {count} stages would be named {'/'.join(name)}: give each stage its own label")
    return _ordered(stages)


def _refuse_unused_labels(config: PipelineConfig, stages: Sequence[Stage]) -> None:
    """Raises BadInput for a key of `labels` that names no stage: of this config, or of a section that it lacks."""
    used = {stage.key for stage in stages if stage.key is not None}
    for key in config.labels:
        if key not in used and not any(kind.has_key(key) for kind in KINDS):
            named = (kind.stage for kind in KINDS if kind.keys is None and kind.has_key(kind.stage))
            known = ", ".join(dict.fromkeys([*named, *sorted(used)]))
            steps = "; a trained model has the name of its step" if config.training else ""
            raise BadInput(f"labels: no stage is named {key!r}: the stages are {known}{steps}")


def _ordered(stages: Iterable[Stage]) -> list[Stage]:
    """Each stage after its upstreams, otherwise in the given order."""
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
    """The wanted stages and all their direct and indirect upstreams, in the order of ``stages``."""
    by_name = {stage.name: stage for stage in stages}
    names: set[Name] = set()
    open_ends = list(wanted)
    while open_ends:
        stage = open_ends.pop()
        names.add(stage.name)
        open_ends += [by_name[name] for name in stage.upstreams if name not in names]
    return [stage for stage in stages if stage.name in names]


def make(config: PipelineConfig, stage: Stage, on_progress: Callable[[Progress], None]) -> StageManifest:
    """Build a stage, or its missing parts; a finished stage is returned unchanged.

    Raises:
        BadInput: the stage was built with other inputs or settings under this label, or its input is wrong.
        RunFailed: the work failed, or a gate does not hold. Finished parts are kept.
    """
    ledger = Ledger(config.runtime.root, config.snapshot)
    recipe = stage.recipe(ledger)
    if recipe is None:
        missing = [f"{name}/{label}" for name, label in stage.upstreams if ledger.manifest(name, label) is None]
        raise BadInput(f"{stage} needs {', '.join(missing)}, not finished yet: run the whole pipeline first")
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
    """Whether the stage is finished with exactly these inputs and settings.

    Raises:
        BadInput: it was built with other inputs or settings under this label, or files outside the root have changed.
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
    """The manifest of a stage whose recipe is known to match; raises BadInput as `is_finished` does."""
    manifest = ledger.manifest(stage.stage, stage.label)
    changed = changes_outside(ledger, manifest, stage.locations) if manifest else []
    if changed:
        raise ledger.refusal(stage.stage, stage.label, changed, stage.key)
    return manifest


def changes_outside(ledger: Ledger, built: StageManifest, locations: Sequence[str] = ()) -> list[str]:
    """Messages about files outside the root that differ from those that a finished stage was built from.

    Without ``locations`` the remembered ones are used. A store that does not answer counts as unchanged.
    """
    locations = locations or remembered(ledger.folder(built.recipe.stage, built.recipe.label)).places
    if not locations:
        return []
    try:
        kinds = (kind for kind in KINDS if kind.stage == built.recipe.stage)
        return [change for kind in kinds for change in kind.changes(ledger, built, locations)]
    except RunFailed:
        return []

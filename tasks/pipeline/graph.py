"""The pipeline as data: which stages a config has, what each is made from, and the function that makes it.

`stages_of` is the only place that knows the order of things; run, plan and status read it. A stage's identity is its
own settings, its upstreams' digests and its version, which is raised when its code changes what it computes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.config import PipelineConfig
from schemas.errors import BadInput, RunFailed
from schemas.manifest import Recipe, StageManifest
from schemas.settings import EvolutionSettings
from tasks.jobs import Progress
from tasks.ledger.identity import Part, StageSettings, identity_of
from tasks.ledger.ledger import Ledger
from tasks.ledger.outside import remembered
from tasks.making import answers, corpus, earlier, leaks, models, ramp, spans, trajectories
from tasks.making.context import FinishedMeanwhile, Making

Name = tuple[str, str]
"""A stage and its label."""

TRAINING_VERSION = 3
"""Of all models that are trained: raised when tokens, batches, losses or updates change what comes out."""
REWARDED_VERSION = 5
"""Of models that learn from rewards: raised with the one above, and when scoring changes what earns one."""
SCORED_VERSION = 3
"""Of trajectories and answers: raised when scoring changes which of them are right, or when a model reads, or is read,
in another way."""


@dataclass(frozen=True)
class Stage:
    """One making of a stage: its identity settings, what it is made from, and how."""

    stage: str
    label: str
    make: Callable[[Making], StageManifest]
    upstreams: tuple[Name, ...]
    settings: StageSettings
    version: int = 1
    together: bool = False
    """Its job makes all labels of the stage at once: their recipes are written before it starts."""
    places: tuple[str, ...] = ()
    """Where the config says that those things lie which it takes note of outside; none where it needs none."""

    @property
    def name(self) -> Name:
        return self.stage, self.label

    def __str__(self) -> str:
        return f"{self.stage}/{self.label}"

    def recipe(self, ledger: Ledger) -> Recipe | None:
        """How it is made, its upstreams pinned by digest; None while one of them is unfinished."""
        manifests = [ledger.manifest(*name) for name in self.upstreams]
        if None in manifests:
            return None
        return Recipe(
            stage=self.stage,
            label=self.label,
            snapshot=ledger.snapshot,
            version=self.version,
            settings=self.settings.all,
            given=self.settings.given,
            upstreams=[manifest.as_upstream for manifest in manifests if manifest],
        )


def stages_of(config: PipelineConfig) -> list[Stage]:
    """Every stage of the config, each after those it is made from.

    Raises:
        BadInput: two of them go by the same label.
    """
    stages = _corpus_stages(config) + _ramp_stages(config)
    if config.tokenizer is not None:
        stages.append(_tokenizer(config))
    if config.teacher is not None:
        stages.append(_taught(config))
    if config.model is not None:
        stages += _model_stages(config)
    if config.evaluation is not None:
        stages += _answer_stages(config)
    for name, count in Counter(stage.name for stage in stages).items():
        if count > 1:
            raise BadInput(f"labels: {count} stages would go by {'/'.join(name)}; give each a label of its own")
    return stages


def _named(config: PipelineConfig, *stages: str) -> tuple[Name, ...]:
    return tuple((stage, config.label(stage)) for stage in stages)


def _data_stage(
    config: PipelineConfig,
    name: str,
    make: Callable[[Making], StageManifest],
    upstreams: tuple[str, ...] = (),
    version: int = 1,
    places: Sequence[str] = (),
    **settings: Any,
) -> Stage:
    """A stage with one making, made from others of that sort."""
    made_from, identity = _named(config, *upstreams), identity_of(**settings)
    return Stage(name, config.label(name), make, made_from, identity, version, places=tuple(places))


def _corpus_stages(config: PipelineConfig) -> list[Stage]:
    stage = partial(_data_stage, config)
    cut, cleaning = Part(config.pages, only=("part_mb",)), Part(config.pages, without=("max_lost_share",))
    return [
        stage("dump", corpus.make_dump, places=[config.dump_path] if config.dump_path else (), world=config.world),
        stage("redirects", corpus.make_redirects, ("dump",), version=3, pages=cut),
        stage("aliases", corpus.make_aliases, ("dump", "redirects"), version=2),
        stage("pages", corpus.make_pages, ("dump", "redirects", "aliases"), version=3, pages=cleaning),
        stage("passages", corpus.make_passages, ("pages",), passages=config.passages),
        *_duplicate_stages(config),
        stage("index", corpus.make_index, ("passages",), version=2, index=config.index.of(config.snapshot)),
    ]


def _duplicate_stages(config: PipelineConfig) -> list[Stage]:
    near, stage = config.near_duplicates, partial(_data_stage, config)
    if near is None:
        return []
    return [
        stage("signatures", corpus.make_signatures, ("passages",), near_duplicates=near),
        stage("duplicates", corpus.make_duplicates, ("signatures",), near_duplicates=near),
    ]


_FIT = ("min_words", "max_words", "min_sentences")
"""What of `RampSettings` tells which paragraphs are asked about, whatever is masked in them."""


def _ramp_stages(config: PipelineConfig) -> list[Stage]:
    """The questions, and what the config asks to know of spans before they are chosen."""
    ramp_settings, stage = config.ramp, partial(_data_stage, config)
    made: list[Stage] = []
    known: tuple[str, ...] = ("duplicates",) if config.near_duplicates else ()
    if ramp_settings.spans.backend != "links":
        fit = Part(ramp_settings, only=(*_FIT, "spans"))
        made.append(stage("spans", spans.make_spans, ("passages",), ramp=fit))
        known = (*known, "spans")
    if ramp_settings.reference is not None:
        weighed = Part(ramp_settings, only=(*_FIT, "show_title"))
        upstreams = ("aliases", "passages", *(name for name in known if name == "spans"), "reference")
        tokens = ramp_settings.reference.max_tokens
        made.append(stage("reference", spans.make_reference, places=[ramp_settings.reference.path]))
        made.append(stage("surprisals", spans.make_surprisals, upstreams, version=7, ramp=weighed, max_tokens=tokens))
        known = (*known, "surprisals")
    if ramp_settings.leaks is not None:
        sets, settings = ramp_settings.leaks.sets, Part(ramp_settings.leaks, without=("sets",))
        names = sorted(map(leaks.name_of, sets))
        made.append(stage("leaks", leaks.make_leaks, places=sets, leaks=settings, sets=names))
        known = (*known, "leaks")
    if ramp_settings.masks_of is not None:
        places = earlier.places_of(config, ramp_settings.masks_of, earlier.QUESTIONS)
        made.append(stage("earlier_questions", earlier.make_earlier_questions, places=places))
        known = (*known, "earlier_questions")
    asked = stage(
        "questions",
        ramp.make_questions,
        ("dump", "aliases", "passages", "index", *known),
        version=10,
        ramp=Part(ramp_settings, without=("reference", "leaks", "changed_since")),
        hits=config.agent.hits,
        hold_back=config.agent.hold_back,
    )
    return [*made, asked, *_change_stages(config)]


def _change_stages(config: PipelineConfig) -> list[Stage]:
    if config.ramp.changed_since is None:
        return []
    stage = partial(_data_stage, config)
    changes = stage(
        "changes",
        earlier.make_changes,
        ("dump", "aliases", "passages", "index", "earlier_passages"),
        version=8,
        ramp=Part(config.ramp, without=("reference", "spans", "leaks", "masks_of")),
        hits=config.agent.hits,
        hold_back=config.agent.hold_back,
    )
    places = earlier.places_of(config, config.ramp.changed_since, earlier.PASSAGES)
    return [stage("earlier_passages", earlier.make_earlier_passages, places=places), changes]


def _splits(config: PipelineConfig) -> Part:
    """What tells the pages of each split apart."""
    return Part(config.ramp, only=("splits", "held_out_share", "rl_share"))


def _tokenizer(config: PipelineConfig) -> Stage:
    """Trained on the train split's passages; an adopted one reads no passage, and is known by its path alone."""
    assert config.tokenizer is not None
    sections: dict[str, Any] = {"tokenizer": config.tokenizer}
    if config.tokenizer.vocabulary is not None:
        sections["ramp"] = _splits(config)
    return _data_stage(config, "tokenizer", models.make_tokenizer, ("dump", "passages"), version=2, **sections)


def _taught(config: PipelineConfig) -> Stage:
    """The teacher reads what the student will be shown, which is so many of the student's tokens."""
    teacher = config.teacher
    assert teacher is not None
    settings = identity_of(agent=config.agent, teacher=teacher, certified_only=config.certified_only)
    upstreams = _named(config, *(["tokenizer"] if config.tokenizer else []), "index", "questions")
    return Stage(
        "trajectories", config.label(teacher.kind), trajectories.make_taught, upstreams, settings, SCORED_VERSION
    )


def _model_stages(config: PipelineConfig) -> list[Stage]:
    tokenizer, index, questions = _named(config, "tokenizer", "index", "questions")
    text = _named(config, "dump", "passages")
    made = [
        _model(config, "untrained", models.make_untrained, (tokenizer,), identity_of(model=config.model), version=1)
    ]

    def last() -> Name:
        return made[-1].name

    if config.base is not None:
        upstreams = (*text, tokenizer, last())
        settings = identity_of(base=config.base, ramp=_splits(config))
        made.append(_model(config, "base", models.make_base, upstreams, settings))
    if config.sft is None or config.teacher is None:
        return made
    teacher = ("trajectories", config.label(config.teacher.kind))
    made.append(_model(config, "sft-0", models.make_sft, (tokenizer, teacher, last()), identity_of(sft=config.sft)))
    if config.evolution is not None:
        made += _evolution_stages(config, config.evolution, teacher, last())
    if config.dapo is not None:
        evolution = config.evolution
        kept = Part(evolution, only=("split", "share", "seed")) if evolution else None
        settings = identity_of(
            agent=config.agent, dapo=config.dapo, evolution=kept, certified_only=config.certified_only
        )
        upstreams = (tokenizer, index, questions, last())
        made.append(_model(config, "dapo", models.make_dapo, upstreams, settings, REWARDED_VERSION))
    return made


def _model(
    config: PipelineConfig,
    name: str,
    make: Callable[[Making], StageManifest],
    upstreams: tuple[Name, ...],
    settings: StageSettings,
    version: int = TRAINING_VERSION,
) -> Stage:
    return Stage("models", config.label(name), make, upstreams, settings, version)


def _evolution_stages(
    config: PipelineConfig, evolution: EvolutionSettings, teacher: Name, student: Name
) -> list[Stage]:
    """Round by round: the student answers fresh questions, and is trained further on what was right so far."""
    made: list[Stage] = []
    tokenizer, index, questions = _named(config, "tokenizer", "index", "questions")
    asking = identity_of(
        agent=config.agent,
        evolution=Part(evolution, without=("sft", "rounds")),
        certified_only=config.certified_only,
    )
    training = identity_of(sft=evolution.sft, student_weight=evolution.student_weight)
    own: tuple[Name, ...] = ()
    for number in range(1, evolution.rounds + 1):
        asked = (tokenizer, index, questions, student)
        label = config.label(f"student-{number}")
        made.append(Stage("trajectories", label, trajectories.make_student, asked, asking, SCORED_VERSION))
        own = (*own, made[-1].name)
        learnt = (tokenizer, teacher, *own, student)
        made.append(_model(config, f"sft-{number}", models.make_evolved, learnt, training))
        student = made[-1].name
    return made


def _answer_stages(config: PipelineConfig) -> list[Stage]:
    common = _named(config, "tokenizer", "index", "passages", "questions")
    return [
        Stage(
            "answers",
            label,
            answers.make_answers,
            (*common, ("models", model)),
            identity_of(
                agent=config.agent,
                evaluation=config.evaluation,
                ramp=Part(config.ramp, only=("masks",)),
                retrieval=retrieval,
                certified_only=config.certified_only,
            ),
            SCORED_VERSION,
            together=True,
        )
        for label, model, retrieval in answers.contestants_of(config)
    ]


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
    opened = ledger.open(recipe)
    finished = _finished(ledger, stage)
    if finished is not None:
        return finished
    if stage.together:
        _open_siblings(config, ledger, stage)
    with ExitStack() as held:
        try:
            return stage.make(Making(config, ledger, opened, on_progress, held))
        except FinishedMeanwhile as other:
            return other.manifest


def _open_siblings(config: PipelineConfig, ledger: Ledger, stage: Stage) -> None:
    for sibling in stages_of(config):
        recipe = sibling.recipe(ledger) if sibling.stage == stage.stage else None
        if recipe is not None:
            ledger.open(recipe)


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
    ledger.open(recipe)
    return _finished(ledger, stage) is not None


def _finished(ledger: Ledger, stage: Stage) -> StageManifest | None:
    """Of a stage whose recipe is known to be the one that lies there; raises BadInput as `is_finished` does."""
    manifest = ledger.manifest(stage.stage, stage.label)
    changed = changes_outside(ledger, manifest, stage.places) if manifest else []
    if changed:
        raise ledger.refusal(stage.stage, stage.label, changed)
    return manifest


_CHANGES: dict[str, Callable[[Ledger, StageManifest, Sequence[str]], list[str]]] = {
    "dump": corpus.changed_dump,
    "reference": spans.changed_reference,
    "leaks": leaks.changed_sets,
    "earlier_questions": earlier.changed_earlier,
    "earlier_passages": earlier.changed_earlier,
}


def changes_outside(ledger: Ledger, made: StageManifest, places: Sequence[str] = ()) -> list[str]:
    """What of that which a finished stage took note of is another at these places, in words.

    Without places it is looked for where it last was. What does not answer is no other.
    """
    places = places or remembered(ledger.folder(made.recipe.stage, made.recipe.label)).places
    if not places:
        return []
    try:
        return _CHANGES[made.recipe.stage](ledger, made, places)
    except RunFailed:
        return []

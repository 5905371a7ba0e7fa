"""Evaluation sets → what must not be trained on, and how much of it was found.

Two kinds of sets are read: those that `ramp.leaks.sets` lists, whole, and those of the config's `sets`, of which the
evaluated splits count (`schemas.split_uses.leak_sets`). They are read from their files and not from the stages of their
questions, because a set whose other splits are trained on is checked against itself.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from pydantic import Field

from schemas.config import PipelineConfig
from schemas.corpus_settings import LeakRunSettings
from schemas.errors import BadInput
from schemas.identity import Identity, Reads
from schemas.manifest import Gate, PartManifest, Recipe, StageManifest, digest_of
from schemas.records import LeakGram, Reject, Split
from schemas.set_settings import AnySet, SetDrawSettings, SetSettings
from schemas.snapshot import language_of
from schemas.split_uses import TRAINING, checked_splits, leak_sets, trainable_splits
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output
from tasks.making.needs import Need, QuestionSet, QuestionSets
from tasks.making.stage import DataStage, Limit, Location, Name
from tasks.ramp.leaks import LEAKS, Gram, grams_of, grams_of_held, keys_of
from tasks.sets.interface import SetQuestion, SetText
from tasks.sets.questions import read_questions
from tasks.sets.registry import read_set
from tasks.sets.rows import rows_of
from tasks.sets.world_files import world_file
from tasks.stages.dump import DumpStage

_PART = "all"


class HeldSet(Identity):
    """A set of the config's `sets` whose questions of these splits must not leak."""

    name: str
    file: AnySet | None
    """With the set's folder and name in place of its path; None: what the world comes with."""
    draws: SetDrawSettings
    splits: list[Split]


class LeakReads(Reads):
    leaks: LeakRunSettings
    sets: list[AnySet]
    """Each with its name in place of its path; what they hold is known by digest."""
    held: list[HeldSet] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)
    """The languages of the sets that are trained on, in each of which whole questions are compared."""


@dataclass(frozen=True, kw_only=True)
class LeakStage(DataStage[LeakReads]):
    """Reduce: the long runs of words, and the questions, of all sets. The sets stay where they are."""

    stage = "leaks"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["LeakStage"]:
        settings, held = config.ramp.leaks, leak_sets(config)
        if settings is None or not (settings.sets or held):
            return
        named = {name_of(each.path): each.model_copy(update={"path": name_of(each.path)}) for each in settings.sets}
        if len(named) < len(settings.sets):
            raise BadInput("ramp.leaks.sets: two sets have the same folder and file name: rename one of them")
        files = {name: file for name in held if (file := config.sets[name].file) is not None}
        reads = LeakReads(
            leaks=LeakRunSettings.within(settings),
            sets=[named[name] for name in sorted(named)],
            held=[_held(config, name, splits) for name, splits in held.items()],
            languages=sorted({_language(config, name) for name in config.sets if trainable_splits(config, name)}),
        )
        listed: tuple[Need, ...] = (QuestionSets(tuple(settings.sets)),) if settings.sets else ()
        yield cls.once(
            config,
            reads,
            *((DumpStage.in_config(config),) if len(files) < len(held) else ()),
            locations=tuple(Location(each.path) for each in (*settings.sets, *files.values())),
            needs=(*listed, *(QuestionSet(f"sets.{name}", file) for name, file in files.items())),
        )

    def make(self, making: Making) -> StageManifest:
        work = partial(_grams, making.snapshot, self._files(making), self.reads)
        parts = making.map_parts(LeakGram, {_PART: self.reads.leaks}, work)
        # The runs may be those of a run that was killed before it finished, and a set may differ by now.
        changed = _changes(making.folder, self.locations, making.open.recipe, parts[_PART]) if self.locations else []
        if changed:
            raise making.open.refusal(changed)
        (path,) = map(making.open.parts(LeakGram).data_path, parts)
        by_set = Counter(storage.read_table(path, columns=["source"])["source"].to_pylist())
        return making.open.finish(parts=parts, figures={"runs_by_set": dict(sorted(by_set.items()))})

    def _files(self, making: Making) -> "_Files":
        """The settings of each file, with the path where it is now."""
        places = _places(making.open.recipe, self.locations)
        held = {
            each.name: (
                world_file(each.draws.world, making.upstream_folder("dump"))
                if each.file is None
                else each.file.model_copy(update={"path": places[_key_of(each.name)]})
            )
            for each in self.reads.held
        }
        return _Files([each.model_copy(update={"path": places[each.path]}) for each in self.reads.sets], held)

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        part = storage.read_document(storage.join(folder, f"part-{_PART}.json"), PartManifest)
        return _changes(folder, locations, built.recipe, part)


class _Files(NamedTuple):
    listed: Sequence[SetSettings]
    held: Mapping[str, SetSettings]
    """By the set's name."""


def _language(config: PipelineConfig, name: str) -> str:
    return config.sets[name].language or language_of(config.snapshot)


def _held(config: PipelineConfig, name: str, splits: Sequence[Split]) -> HeldSet:
    settings = config.sets[name]
    file = settings.file
    known = None if file is None else file.model_copy(update={"path": name_of(file.path)})
    return HeldSet(name=name, file=known, draws=SetDrawSettings.within(settings), splits=list(splits))


def _places(recipe: Recipe, locations: Sequence[str]) -> dict[str, str]:
    """Paths by the names under which a part notes the digests of files. The listed files come first."""
    n_listed = len(recipe.settings["sets"])
    held: list[dict[str, Any]] = recipe.settings.get("held", [])
    names = [_key_of(each["name"]) for each in held if each["file"] is not None]
    return {
        **{name_of(path): path for path in locations[:n_listed]},
        **dict(zip(names, locations[n_listed:], strict=True)),
    }


def _key_of(name: str) -> str:
    """What a part calls the file of a set of the config."""
    return f"sets.{name}"


def _changes(folder: str, locations: Sequence[str], recipe: Recipe, part: PartManifest) -> list[str]:
    paths = _places(recipe, locations)

    def digest(names: Collection[str]) -> str:
        return digest_of({**part.inputs, **{name: storage.digest_of_file(paths[name]) for name in names}})

    noted = outside.Noted("the evaluation sets", digest_of(part.inputs))
    return outside.changes_of(folder, locations, paths, noted, digest)


def _grams(snapshot: str, files: _Files, reads: LeakReads, settings: LeakRunSettings) -> Output:
    rows = list[LeakGram]()

    def add(source: str, grams: Iterable[Gram]) -> None:
        rows.extend(LeakGram(snapshot=snapshot, words=words, hash=gram, source=source) for words, gram in grams)

    for each in files.listed:
        add(name_of(each.path), grams_of(read_set(each), settings))
        for language in reads.languages:
            add(name_of(each.path), keys_of(read_set(each), language))
    for held in reads.held:
        texts = _held_texts(held, files.held[held.name], snapshot)
        add(held.name, grams_of_held(texts, settings, held.draws.language or language_of(snapshot)))
        for language in reads.languages:
            add(held.name, keys_of(texts, language))
    inputs = {name_of(each.path): storage.digest_of_file(each.path) for each in files.listed}
    in_config = {_key_of(each.name): files.held[each.name].path for each in reads.held if each.file is not None}
    return Output(rows, [], {**inputs, **{name: storage.digest_of_file(path) for name, path in in_config.items()}})


def _held_texts(held: HeldSet, file: SetSettings, snapshot: str) -> list[SetText]:
    """The questions of the held splits, each with the texts that its record has."""
    rows = rows_of(read_questions(file), held.name, snapshot, held.draws).questions
    ids = {row.question_id for row in rows if row.split in held.splits}
    asked = (row for row in read_questions(file) if isinstance(row, SetQuestion))
    return [text for row in asked if f"{held.name}-{row.id}" in ids for text in row.texts]


def name_of(path: str) -> str:
    """The name of a set: its folder's and its file's name, wherever it is."""
    return "/".join(path.split("/")[-2:])


# -- what leaks from questions ----------------------------------------------------------------------------------------


class LeakCheck(NamedTuple):
    """What a stage of questions declares to be checked: the upstream, the splits that are checked, and the limit."""

    upstreams: tuple[Name, ...]
    checked: list[Split]
    max_share: Limit


def leak_check(config: PipelineConfig, name: str) -> LeakCheck:
    """The check of a set's questions, or of RAMP's; without upstreams where nothing is checked."""
    settings = config.ramp.leaks
    stages = [stage.name for stage in LeakStage.of(config)] if trainable_splits(config, name) else []
    if settings is None or not stages:
        return LeakCheck((), list(TRAINING), Limit(1.0))
    return LeakCheck(tuple(stages), checked_splits(config, name), Limit(settings.max_share))


def leak_figures(rejects: Iterable[str], kept: int) -> dict[str, Any]:
    """Leaking questions by the set that they stand in, and their share of all that would be trained on.

    Args:
        rejects: files of rejects, which may be missing.
        kept: the questions that are trained on.
    """
    found = Counter(
        row.detail.rpartition(":")[0]
        for path in rejects
        if storage.exists(path)
        for row in storage.read_rows(path, Reject)
        if row.reason == LEAKS
    )
    share = found.total() / (found.total() + kept) if found else 0.0
    return {"leaks_by_set": dict(sorted(found.items())), "leaks_share": round(share, 6)}


def little_leaks(figures: Mapping[str, Any], max_share: float) -> Gate:
    """Whether the share of leaking questions is within the config's limit."""
    share, by_set = figures["leaks_share"], figures["leaks_by_set"]
    named = ", ".join(f"{count:,} in {name}" for name, count in by_set.items())
    detail = f"{share:.2%} of the questions to train on are in evaluation sets" + (f" ({named})" if named else "")
    return Gate(
        name="little leaks", holds=share <= max_share, detail=f"{detail}; ramp.leaks.max_share allows {max_share:.2%}"
    )

"""A question set → its questions, each with a split."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.manifest import PartManifest, Recipe, StageManifest, digest_of
from schemas.records import Question
from schemas.set_settings import AnySet, PublishedSet, SetDrawSettings, SetSettings
from tasks.corpus.smallworld import CLAIMS, QUESTIONS
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, has_rows
from tasks.making.demand import Demand, demand_of, refuse_shortage
from tasks.making.needs import QuestionSet
from tasks.making.stage import Location, Name, Stage
from tasks.sets.datasets import files_of
from tasks.sets.questions import read_questions
from tasks.sets.rows import figures_of_set, rows_of
from tasks.stages.dump import DumpStage
from tasks.stages.leaks import name_of
from tasks.stages.questions import QuestionStage, questions_of

_PART = "all"
_OF_WORLD = {
    "questions": PublishedSet(path=QUESTIONS, layout="steps"),
    "claims": PublishedSet(path=CLAIMS, layout="claims"),
}
"""The files that a world has beside its dump."""


class SetReads(Reads):
    name: str
    file: AnySet | None
    """With the set's folder and name in place of its path; what it holds is known by digest. None: what the
    world comes with."""
    draws: SetDrawSettings


@dataclass(frozen=True, kw_only=True)
class SetQuestionStage(Stage[SetReads]):
    """Reduce: the questions of one set. The file stays where it is."""

    stage = QuestionStage.stage
    group = "questions"
    demand: Demand

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SetQuestionStage"]:
        for name, settings in config.sets.items():
            file = settings.file
            known = None if file is None else file.model_copy(update={"path": name_of(file.path)})
            yield cls(
                key=f"{cls.stage}/{name}",
                label=cls.in_config(config, name)[1],
                reads=SetReads(name=name, file=known, draws=SetDrawSettings.within(settings)),
                upstreams=(DumpStage.in_config(config),) if file is None else (),
                needs=() if file is None else (QuestionSet(f"sets.{name}", file),),
                locations=() if file is None else (Location(file.path),),
                demand=demand_of(config, name),
            )

    @classmethod
    def in_config(cls, config: PipelineConfig, name: str) -> Name:
        """The stage and label of the set of this name."""
        return questions_of(config, name)

    def make(self, making: Making) -> StageManifest:
        work = partial(_questions, making.snapshot, self.reads.name, self._file(making))
        parts = making.map_parts(Question, {_PART: self.reads.draws}, work)
        # The rows may be those of a run that was killed before it finished, and the set may differ by now.
        changed = _changes(making.folder, self.locations, making.open.recipe, parts[_PART]) if self.locations else []
        if changed:
            raise making.open.refusal(changed)
        rows = storage.read_rows(making.open.parts(Question).data_path(_PART), Question)
        shortages: list[str] = []
        figures = {**figures_of_set(self.demand.counted(rows, shortages)), "read": parts[_PART].figures["read"]}
        refuse_shortage(shortages)
        return making.open.finish(parts=parts, gates=[has_rows(parts)], figures=figures)

    def _file(self, making: Making) -> SetSettings:
        if self.reads.file is None:
            file = _OF_WORLD[self.reads.draws.world]
            return file.model_copy(update={"path": storage.join(making.upstream_folder("dump"), file.path)})
        (path,) = self.locations
        return self.reads.file.model_copy(update={"path": path})

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        if built.recipe.settings.get("file") is None:  # masked questions, or the world's
            return []
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        part = storage.read_document(storage.join(folder, f"part-{_PART}.json"), PartManifest)
        return _changes(folder, locations, built.recipe, part)


def _questions(snapshot: str, name: str, file: SetSettings, draws: SetDrawSettings) -> Output:
    found = rows_of(read_questions(file), name, snapshot, draws)
    digests = {name: storage.digest_of_file(path) for name, path in _files(file.path, file.model_dump()).items()}
    return Output(found.questions, found.rejects, digests, {"read": found.read})


def _files(path: str, file: Mapping[str, Any]) -> dict[str, str]:
    """The files of a set by name. They are known without the package that an installed layout is from."""
    files = files_of(path, file["layout"]) if file["kind"] == PublishedSet.default else [path]
    return {name_of(each): each for each in files}


def _changes(folder: str, locations: Sequence[str], recipe: Recipe, part: PartManifest) -> list[str]:
    """How the set's files differ from the noted ones, in words. A file that is gone is no difference."""
    (path,) = locations
    paths = _files(path, recipe.settings["file"])

    def digest(names: Collection[str]) -> str:
        return digest_of({**part.inputs, **{name: storage.digest_of_file(paths[name]) for name in names}})

    return outside.changes_of(folder, locations, paths, outside.Noted("the set", digest_of(part.inputs)), digest)

"""A question set → its questions, each with a split."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field

from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.manifest import PartManifest, Recipe, StageManifest, digest_of
from schemas.records import Question, Reject, Split
from schemas.set_settings import AnySet, PublishedSet, SetDrawSettings, SetSettings
from schemas.split_uses import TRAINING
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, has_rows
from tasks.making.demand import Demand, demand_of, refuse_shortage
from tasks.making.needs import QuestionSet
from tasks.making.stage import Limit, Location, Name, Stage
from tasks.ramp.leaks import read_table, without_leaks
from tasks.sets.datasets import files_of
from tasks.sets.questions import read_questions
from tasks.sets.rows import figures_of_set, rows_of
from tasks.sets.world_files import world_file
from tasks.stages.dump import DumpStage
from tasks.stages.leaks import leak_check, leak_figures, little_leaks, name_of
from tasks.stages.questions import QuestionStage, questions_of

_PART = "all"


class SetReads(Reads):
    name: str
    file: AnySet | None
    """With the set's folder and name in place of its path; what it holds is known by digest. None: what the
    world comes with."""
    draws: SetDrawSettings
    checked: list[Split] = Field(default_factory=lambda: list(TRAINING))
    """The splits whose questions are rejected if they leak."""


@dataclass(frozen=True, kw_only=True)
class SetQuestionStage(Stage[SetReads]):
    """Reduce: the questions of one set. The file stays where it is."""

    stage = QuestionStage.stage
    group = "questions"
    demand: Demand
    max_leaks: Limit

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SetQuestionStage"]:
        for name, settings in config.sets.items():
            file = settings.file
            known = None if file is None else file.model_copy(update={"path": name_of(file.path)})
            leaks = leak_check(config, name)
            draws = SetDrawSettings.within(settings)
            yield cls(
                key=f"{cls.stage}/{name}",
                label=cls.in_config(config, name)[1],
                reads=SetReads(name=name, file=known, draws=draws, checked=leaks.checked),
                upstreams=(*((DumpStage.in_config(config),) if file is None else ()), *leaks.upstreams),
                needs=() if file is None else (QuestionSet(f"sets.{name}", file),),
                locations=() if file is None else (Location(file.path),),
                demand=demand_of(config, name),
                max_leaks=leaks.max_share,
            )

    @classmethod
    def in_config(cls, config: PipelineConfig, name: str) -> Name:
        """The stage and label of the set of this name."""
        return questions_of(config, name)

    def make(self, making: Making) -> StageManifest:
        leaks = tuple(making.upstream_paths("leaks"))
        work = partial(_questions, making.snapshot, self.reads, self._file(making), leaks)
        parts = making.map_parts(Question, {_PART: self.reads.draws}, work)
        # The rows may be those of a run that was killed before it finished, and the set may differ by now.
        changed = _changes(making.folder, self.locations, making.open.recipe, parts[_PART]) if self.locations else []
        if changed:
            raise making.open.refusal(changed)
        rows = storage.read_rows(making.open.parts(Question).data_path(_PART), Question)
        shortages: list[str] = []
        figures = {**figures_of_set(self.demand.counted(rows, shortages)), "read": parts[_PART].figures["read"]}
        refuse_shortage(shortages)
        gates = [has_rows(parts)]
        if leaks:
            kept = sum(figures["by_split"].get(split, 0) for split in self.reads.checked)
            figures |= leak_figures(map(making.open.parts(Question).rejects_path, parts), kept)
            gates.append(little_leaks(figures, self.max_leaks))
        return making.open.finish(parts=parts, gates=gates, figures=figures)

    def _file(self, making: Making) -> SetSettings:
        if self.reads.file is None:
            return world_file(self.reads.draws.world, making.upstream_folder("dump"))
        (path,) = self.locations
        return self.reads.file.model_copy(update={"path": path})

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        if built.recipe.settings.get("file") is None:  # masked questions, or the world's
            return []
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        part = storage.read_document(storage.join(folder, f"part-{_PART}.json"), PartManifest)
        return _changes(folder, locations, built.recipe, part)


def _questions(
    snapshot: str, reads: SetReads, file: SetSettings, leaks: tuple[str, ...], draws: SetDrawSettings
) -> Output:
    found = rows_of(read_questions(file), reads.name, snapshot, draws)
    digests = {name: storage.digest_of_file(path) for name, path in _files(file.path, file.model_dump()).items()}
    rows = list(without_leaks(found.questions, read_table(leaks), reads.checked) if leaks else found.questions)
    questions = [row for row in rows if isinstance(row, Question)]
    leaking = [row for row in rows if isinstance(row, Reject)]
    return Output(questions, [*found.rejects, *leaking], digests, {"read": found.read})


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

"""Evaluation sets → what must not be trained on, and how much of it was found."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from schemas.config import PipelineConfig
from schemas.corpus_settings import LeakRunSettings
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.manifest import PartManifest, StageManifest, digest_of
from schemas.records import LeakGram, Reject
from schemas.set_settings import AnySet, SetSettings
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output
from tasks.making.needs import QuestionSets
from tasks.making.stage import DataStage, Location
from tasks.ramp.leaks import LEAKS, grams_of
from tasks.sets.registry import read_set


class LeakReads(Reads):
    leaks: LeakRunSettings
    sets: list[AnySet]
    """Each with its name in place of its path; what they hold is known by digest."""


@dataclass(frozen=True, kw_only=True)
class LeakStage(DataStage[LeakReads]):
    """Reduce: the long runs of words of all sets. The sets stay where they are."""

    stage = "leaks"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["LeakStage"]:
        settings = config.ramp.leaks
        if settings is not None:
            named = {name_of(each.path): each.model_copy(update={"path": name_of(each.path)}) for each in settings.sets}
            if len(named) < len(settings.sets):
                raise BadInput("ramp.leaks.sets: two sets have the same folder and file name: rename one of them")
            reads = LeakReads(leaks=LeakRunSettings.within(settings), sets=[named[name] for name in sorted(named)])
            locations = tuple(Location(each.path) for each in settings.sets)
            yield cls.once(config, reads, locations=locations, needs=(QuestionSets(tuple(settings.sets)),))

    def make(self, making: Making) -> StageManifest:
        work = partial(_grams, making.snapshot, self._sets())
        parts = making.map_parts(LeakGram, {"all": self.reads.leaks}, work)
        # The runs may be those of a run that was killed before it finished, and a set may differ by now.
        changed = _changes(making.folder, self.locations, parts["all"])
        if changed:
            raise making.open.refusal(changed)
        (path,) = map(making.open.parts(LeakGram).data_path, parts)
        by_set = Counter(storage.read_table(path, columns=["source"])["source"].to_pylist())
        return making.open.finish(parts=parts, figures={"runs_by_set": dict(sorted(by_set.items()))})

    def _sets(self) -> list[SetSettings]:
        """The settings of each set, with the path where the set is now."""
        of_name = {settings.path: settings for settings in self.reads.sets}
        return [of_name[name_of(path)].model_copy(update={"path": path}) for path in self.locations]

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        return _changes(folder, locations, storage.read_document(storage.join(folder, "part-all.json"), PartManifest))


def _changes(folder: str, locations: Sequence[str], part: PartManifest) -> list[str]:
    paths = {name_of(path): path for path in locations}

    def digest(names: Collection[str]) -> str:
        return digest_of({**part.inputs, **{name: storage.digest_of_file(paths[name]) for name in names}})

    noted = outside.Noted("the evaluation sets", digest_of(part.inputs))
    return outside.changes_of(folder, locations, paths, noted, digest)


def _grams(snapshot: str, sets: Sequence[SetSettings], settings: LeakRunSettings) -> Output:
    rows = [
        LeakGram(snapshot=snapshot, words=length, hash=gram, source=name_of(each.path))
        for each in sets
        for length, gram in grams_of(read_set(each), settings)
    ]
    return Output(rows, [], {name_of(each.path): storage.digest_of_file(each.path) for each in sets})


def name_of(path: str) -> str:
    """The name of a set: its folder's and its file's name, wherever it is."""
    return "/".join(path.split("/")[-2:])


def leaks_by_set(paths: Iterable[str]) -> dict[str, int]:
    """Rejected questions by the set that they stand in, from files of rejects."""
    found = Counter(
        row.detail.rpartition(":")[0]
        for path in paths
        if storage.exists(path)
        for row in storage.read_rows(path, Reject)
        if row.reason == LEAKS
    )
    return dict(sorted(found.items()))

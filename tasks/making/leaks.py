"""Evaluation sets → what must not be trained on, and how much of it was found."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial

from schemas.corpus_settings import LeakSettings
from schemas.manifest import PartManifest, StageManifest, digest_of
from schemas.records import LeakGram, Reject
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output
from tasks.ramp.leaks import LEAKS, grams_of
from tasks.sets.datasets import read_texts


def make_leaks(making: Making) -> StageManifest:
    """Reduce: the long runs of words of all sets. The sets stay where they are.

    Raises:
        BadInput: the runs are there, of a run that was killed before it finished, and a set is another by now.
    """
    settings = making.config.ramp.leaks
    assert settings is not None
    parts = making.map_parts(LeakGram, {"all": settings}, partial(_grams, making.snapshot))
    changed = _changes(making.folder, settings.sets, parts["all"])
    if changed:
        raise making.ledger.refusal(making.open.recipe.stage, making.open.recipe.label, changed)
    (path,) = map(making.open.parts(LeakGram).data_path, parts)
    by_set = Counter(storage.read_table(path, columns=["source"])["source"].to_pylist())
    return making.open.finish(parts=parts, figures={"runs_by_set": dict(sorted(by_set.items()))})


def changed_sets(ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
    """In what the sets at these places are others than those that the stage was made from, in words."""
    folder = ledger.folder(made.recipe.stage, made.recipe.label)
    return _changes(folder, places, storage.read_document(storage.join(folder, "part-all.json"), PartManifest))


def _changes(folder: str, places: Sequence[str], part: PartManifest) -> list[str]:
    paths = {name_of(path): path for path in places}

    def digest(names: Collection[str]) -> str:
        return digest_of({**part.inputs, **{name: storage.digest_of_file(paths[name]) for name in names}})

    noted = outside.Noted("the evaluation sets", digest_of(part.inputs))
    return outside.changes_of(folder, places, paths, noted, digest)


def _grams(snapshot: str, settings: LeakSettings) -> Output:
    rows = [
        LeakGram(snapshot=snapshot, words=length, hash=gram, source=name_of(path))
        for path in settings.sets
        for length, gram in grams_of(read_texts(path), settings)
    ]
    return Output(rows, [], {name_of(path): storage.digest_of_file(path) for path in settings.sets})


def name_of(path: str) -> str:
    """What a set goes by: its folder's and its file's name, wherever it lies."""
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

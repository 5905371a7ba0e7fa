"""The dump: what is read of it, by every stage that reads it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.corpus_settings import WorldSettings
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.manifest import StageManifest
from tasks.dumps import dumps
from tasks.dumps.dumps import Dump, DumpRange
from tasks.jobs import Progress
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.needs import DumpThere, Need
from tasks.making.stage import DataStage, Location

_log = logging.getLogger(__name__)


class DumpReads(Reads):
    world: WorldSettings | None


@dataclass(frozen=True, kw_only=True)
class DumpStage(DataStage[DumpReads]):
    """Writes the small world as a dump, or notes a dump that is there: its files stay where they are."""

    stage = "dump"
    group = "corpus"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["DumpStage"]:
        yield cls.once(config, DumpReads(world=config.world), **location_of(config))

    def make(self, making: Making) -> StageManifest:
        if self.reads.world is not None:
            from tasks.corpus.smallworld import write_world

            write_world(self.reads.world, making.snapshot, making.folder)
        dump = _found(self.places, making.folder, making.snapshot)
        seen = outside.look_at({file.name: file.path for file in dump.files})
        figures = {"file": dump.path.rpartition("/")[2], "bytes": dump.size, "sha256": dump.digest}
        if self.places:
            storage.write_bytes(storage.join(making.folder, "sha256"), f"{dump.digest}\n".encode())
            outside.remember(making.folder, self.places, seen)
        return making.open.finish(figures=figures)

    @classmethod
    def changes(cls, ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
        (place,) = places
        folder = ledger.folder(made.recipe.stage, made.recipe.label)
        seen = outside.remembered(folder)
        there = outside.look_at({name: _path_of(name, place) for name in seen.files})
        if outside.is_as_remembered(seen, there) or not (seen.files or outside.look_at({place: place})):
            return []
        try:
            with outside.asking(place):
                dump = dumps.find_dump(place)
            noted = outside.Noted("the dump", made.figures["sha256"], made.figures["bytes"])
            paths = {file.name: file.path for file in dump.files}
            return outside.changes_of(folder, places, paths, noted, lambda _: dump.digest)
        except BadInput as error:
            return [str(error)] if there else []


def location_of(config: PipelineConfig) -> dict[str, tuple[Location, ...] | tuple[Need, ...]]:
    """Where a stage that reads the dump finds it, and that it needs it; nothing for the small world."""
    path = config.dump_path
    return {} if path is None else {"places": (Location(path),), "needs": (DumpThere(path),)}


def dump_of(making: Making, places: Sequence[str]) -> Dump:
    """The dump at the config's place, or the one that the stage `dump` wrote.

    Raises:
        BadInput: there is none, it is not whole, it is of another snapshot, or files of it are gone.
    """
    written = making.upstream_folder("dump")
    dump = _found(places, written, making.snapshot)
    if places:
        outside.refuse_gone(written, [file.name for file in dump.files], places[0])
    return dump


def ranges_of(
    making: Making, places: Sequence[str], part_mb: float, notes: list[str] | None = None
) -> dict[str, DumpRange]:
    """The ranges of the dump that are a part each, by the key of the part; ``notes`` gathers what is wrong with it."""

    def noted(note: str) -> None:
        _log.warning(note)
        making.on_progress(Progress(done=0, total=1, unit="parts", note=note))
        if notes is not None:
            notes.append(note)

    return {found.key: found for found in dumps.cut(dump_of(making, places), part_mb, noted)}


def _found(places: Sequence[str], written: str, snapshot: str) -> Dump:
    dump = dumps.find_dump(places[0] if places else written)
    if dump.snapshot not in (None, snapshot):
        raise BadInput(f"{dump.path}: a dump of {dump.snapshot}, and the snapshot is {snapshot}: change either")
    return dump


def _path_of(name: str, place: str) -> str:
    """The path of a dump's file; the place is the file's or its folder's."""
    return place if place.rstrip("/").rpartition("/")[2] == name else storage.join(place, name)

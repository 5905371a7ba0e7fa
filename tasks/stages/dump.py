"""The dump, and how every stage that reads it finds and cuts it."""

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
    """Writes the small world as a dump, or notes the digest of an existing dump, whose files are not copied."""

    stage = "dump"
    group = "corpus"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["DumpStage"]:
        if config.corpus is None:
            yield cls.once(config, DumpReads(world=config.world), **location_of(config))

    def make(self, making: Making) -> StageManifest:
        if self.reads.world is not None:
            from tasks.corpus.smallworld import write_world

            write_world(self.reads.world, making.snapshot, making.folder)
        dump = _found(self.locations, making.folder, making.snapshot)
        seen = outside.look_at({file.name: file.path for file in dump.files})
        figures = {"file": dump.path.rpartition("/")[2], "bytes": dump.size, "sha256": dump.digest}
        if self.locations:
            storage.write_bytes(storage.join(making.folder, "sha256"), f"{dump.digest}\n".encode())
            outside.remember(making.folder, self.locations, seen)
        return making.open.finish(figures=figures)

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        (location,) = locations
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        seen = outside.remembered(folder)
        existing = outside.look_at({name: _path_of(name, location) for name in seen.files})
        if outside.is_as_remembered(seen, existing) or not (seen.files or outside.look_at({location: location})):
            return []
        try:
            with outside.asking(location):
                dump = dumps.find_dump(location)
            noted = outside.Noted("the dump", built.figures["sha256"], built.figures["bytes"])
            paths = {file.name: file.path for file in dump.files}
            return outside.changes_of(folder, locations, paths, noted, lambda _: dump.digest)
        except BadInput as error:
            return [str(error)] if existing else []


def location_of(config: PipelineConfig) -> dict[str, tuple[Location, ...] | tuple[Need, ...]]:
    """The fields ``locations`` and ``needs`` of a stage that reads the dump; empty for the small world."""
    path = config.dump_path
    return {} if path is None else {"locations": (Location(path),), "needs": (DumpThere(path),)}


def dump_of(making: Making, locations: Sequence[str]) -> Dump:
    """The dump at the config's location, or the one that the stage `dump` wrote.

    Raises:
        BadInput: the dump is missing, incomplete, of another snapshot, or some of its files are gone.
    """
    written = making.upstream_folder("dump")
    dump = _found(locations, written, making.snapshot)
    if locations:
        outside.refuse_gone(written, [file.name for file in dump.files], locations[0])
    return dump


def ranges_of(
    making: Making, locations: Sequence[str], part_mb: float, notes: list[str] | None = None
) -> dict[str, DumpRange]:
    """The dump cut into one range for each part, by the part's key; ``notes`` collects problems of the dump."""

    def noted(note: str) -> None:
        _log.warning(note)
        making.on_progress(Progress(done=0, total=1, unit="parts", note=note))
        if notes is not None:
            notes.append(note)

    return {found.key: found for found in dumps.cut(dump_of(making, locations), part_mb, noted)}


def _found(locations: Sequence[str], written: str, snapshot: str) -> Dump:
    dump = dumps.find_dump(locations[0] if locations else written)
    if dump.snapshot not in (None, snapshot):
        raise BadInput(
            f"{dump.path} is a dump of {dump.snapshot}, but the config's snapshot is {snapshot}: change one of them"
        )
    return dump


def _path_of(name: str, location: str) -> str:
    """The path of a dump's file. The location is the file itself or its folder."""
    return location if location.rstrip("/").rpartition("/")[2] == name else storage.join(location, name)

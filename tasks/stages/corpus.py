"""A corpus of passages in place of a dump: its files, noted and scanned, and its passages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.corpus_settings import CorpusCuttingSettings
from schemas.counts import counted
from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.manifest import Gate, StageManifest
from schemas.records import Passage
from schemas.snapshot import language_of
from tasks.corpus import passage_files
from tasks.corpus.passage_files import PassageFile, find_files
from tasks.corpus.passage_records import layout_of
from tasks.corpus.passage_rows import passages_of_piece
from tasks.corpus.passage_scan import Piece, Scan, read_pieces, scan
from tasks.jobs import Progress
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, has_rows, no_failed_rows, sorted_out
from tasks.making.needs import CorpusThere, Need
from tasks.making.stage import DataStage, Limit, Location

_RECORDS_A_REPORT = 10_000


class CorpusReads(Reads):
    corpus: CorpusCuttingSettings


@dataclass(frozen=True, kw_only=True)
class CorpusStage(DataStage[CorpusReads]):
    """Notes the digest of the corpus' files, which are not copied, and scans them."""

    stage = "corpus"
    group = "corpus"

    max_rejected_share: Limit

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["CorpusStage"]:
        if config.corpus is not None:
            reads = CorpusReads(corpus=CorpusCuttingSettings.within(config.corpus))
            limit = Limit(config.corpus.max_rejected_share)
            yield cls.once(config, reads, max_rejected_share=limit, **_location_of(config))

    def make(self, making: Making) -> StageManifest:
        (location,) = self.locations
        files = find_files(location)
        seen = outside.look_at({file.name: file.path for file in files})
        digest = passage_files.digest_of(files)
        layouts = [(file, layout_of(file)) for file in files]
        found = scan(layouts, digest, self.reads.corpus.part_rows, _reported(making, len(files)))
        found.write(making.folder)
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
        outside.remember(making.folder, self.locations, seen)
        figures = {
            "files": len(files),
            "bytes": passage_files.size_of(files),
            "sha256": digest,
            "layouts": found.layouts,
            "records": found.records,
            "titles": found.titles.num_rows,
            "rejected": dict(sorted(found.rejects.items())),
        }
        return making.open.finish(rows=found.records, figures=figures, gates=[self._few_are_rejected(found)])

    def _few_are_rejected(self, found: Scan) -> Gate:
        share, allowed = found.rejects.total() / found.records, self.max_rejected_share
        first = f", the first is {found.fault}" if found.fault else ""
        detail = f"{share:.2%} of the records are no passages{first}; corpus.max_rejected_share allows {allowed:.2%}"
        return Gate(name="few are rejected", holds=share <= allowed, detail=detail)

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        (location,) = locations
        folder = ledger.folder(built.recipe.stage, built.recipe.label)
        try:
            with outside.asking(location):
                files = find_files(location)
        except BadInput:  # the files may be deleted once they are read
            return []
        noted = outside.Noted("the corpus", built.figures["sha256"], built.figures["bytes"])
        paths = {file.name: file.path for file in files}
        return outside.changes_of(folder, locations, paths, noted, lambda _: passage_files.digest_of(files))


class CorpusPassageReads(Reads):
    """No settings: passages stay as they are, and the stage `corpus` has cut the files into parts."""


@dataclass(frozen=True, kw_only=True)
class CorpusPassageStage(DataStage[CorpusPassageReads]):
    """Corpus → passages, in the same rows as those of a dump."""

    stage = "passages"
    group = "corpus"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["CorpusPassageStage"]:
        if config.corpus is not None:
            yield cls.once(config, CorpusPassageReads(), CorpusStage.in_config(config), **_location_of(config))

    def make(self, making: Making) -> StageManifest:
        (location,) = self.locations
        files = {file.name: file for file in find_files(location)}
        scanned = making.upstream_folder("corpus")
        outside.refuse_gone(scanned, files.keys(), f"corpus.passages {location}")
        placed = {piece.key: _Placed(files[piece.name], piece) for piece in read_pieces(scanned)}
        work = partial(_passages, making.snapshot, scanned, making.upstream("corpus"))
        parts = making.map_parts(Passage, placed, work)
        return making.open.finish(parts=parts, gates=[has_rows(parts), no_failed_rows(parts)])


class _Placed(NamedTuple):
    file: PassageFile
    piece: Piece


def _passages(snapshot: str, scanned: str, corpus: StageManifest, placed: _Placed) -> Output:
    rows = passages_of_piece(placed.file, placed.piece, scanned, corpus.figures["sha256"], snapshot)
    return sorted_out(rows, {"corpus": corpus.digest})


def _location_of(config: PipelineConfig) -> dict[str, tuple[Location, ...] | tuple[Need, ...]]:
    """The fields ``locations`` and ``needs`` of a stage that reads the corpus' files."""
    path = config.corpus_path
    assert path is not None, "only a config with a corpus has such a stage"
    return {"locations": (Location(path),), "needs": (CorpusThere(path, language_of(config.snapshot)),)}


def _reported(making: Making, files: int) -> Callable[[int, int], None]:
    def report(done: int, count: int) -> None:
        if count % _RECORDS_A_REPORT == 0:
            making.on_progress(Progress(done=done, total=files, unit="files", note=counted(count, "record")))

    return report

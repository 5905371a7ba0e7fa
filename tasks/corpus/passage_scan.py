"""The first look at a corpus of passages: how it is cut into parts, and what no part alone can know.

    pieces.json        the pieces of the files, one for each part, in order
    repeated.parquet   ``number``: the records whose id an earlier record has
    ordinals.parquet   ``piece``, ``page_id``, ``ordinal``: how many passages of a title earlier pieces hold, if any
    titles.parquet     ``title``: all titles, in order

A scan reads every record once and holds some 20 bytes of each in memory.
"""

import io
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from schemas.errors import BadInput
from tasks.corpus.passage_files import PassageFile
from tasks.corpus.passage_layouts import Entry, Fault, Layout, entry_of
from tasks.corpus.passage_records import Place, records
from tasks.ledger import storage

PIECES, REPEATED, ORDINALS, TITLES = "pieces.json", "repeated.parquet", "ordinals.parquet", "titles.parquet"
_TITLES_AT_ONCE = 65_536


class Piece(BaseModel):
    """The records ``first`` to ``last`` of a file, which are one part; ``start`` and ``end`` are their place in it.

    ``before`` counts the records of earlier files. Keys sort in the corpus' order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    key: str
    name: str
    layout: Layout
    before: int
    first: int
    last: int
    start: int
    end: int

    @property
    def place(self) -> Place:
        return Place(self.first, self.start, self.end)


@dataclass(frozen=True)
class Scan:
    """What a scan found. ``fault`` is the first reject, in words."""

    pieces: list[Piece]
    repeated: pa.Table
    ordinals: pa.Table
    titles: pa.Table
    records: int
    rejects: Counter[str]
    fault: str

    @property
    def layouts(self) -> list[str]:
        return list(dict.fromkeys(str(piece.layout) for piece in self.pieces))

    def write(self, folder: str) -> None:
        pieces = [piece.model_dump(mode="json") for piece in self.pieces]
        storage.write_bytes(storage.join(folder, PIECES), (json.dumps(pieces, indent=1) + "\n").encode())
        for name, table in ((REPEATED, self.repeated), (ORDINALS, self.ordinals), (TITLES, self.titles)):
            storage.write_bytes(storage.join(folder, name), storage.parquet_bytes(table))


def read_pieces(folder: str) -> list[Piece]:
    return [Piece.model_validate(piece) for piece in json.loads(storage.read_bytes(storage.join(folder, PIECES)))]


def scan(
    files: Sequence[tuple[PassageFile, Layout]],
    version: str,
    part_rows: int,
    on_record: Callable[[int, int], None] = lambda files, count: None,
) -> Scan:
    """Read all records of these files once.

    Args:
        version: of the content of the files (`tasks.corpus.passage_records.records`).
        part_rows: records of a piece; it goes on to the end of its last title, but not to twice as many.
        on_record: is called with the numbers of files that were read and of records, so far.

    Raises:
        BadInput: a file is damaged, or no file has a passage.
    """
    cutting, seen = _Cutting(part_rows), _Seen()
    records_before = 0
    for file_number, (file, layout) in enumerate(files):
        cutting.begin(file_number, file.name, layout, records_before)
        number = -1
        for read in records(file, layout, version):
            number = read.number
            found = read.value if isinstance(read.value, Fault) else entry_of(read.value, layout)
            title = None if isinstance(found, Fault) else found.title
            piece = cutting.piece_of(number, read.behind, title)
            seen.take(found, piece, records_before + number, f"{file.name}:{number + 1}")
            on_record(file_number, seen.records)
        cutting.close()
        records_before += number + 1
    if not seen.passages:
        raise BadInput(f"corpus.passages: no record of {files[0][0].path} is a passage: {seen.fault or 'it is empty'}")
    repeated = seen.repeated()
    rejects = seen.rejects + _repetitions(repeated["number"].to_numpy(), cutting.pieces)
    return Scan(cutting.pieces, repeated, seen.ordinals(), seen.titles(), seen.records, rejects, seen.fault)


def _repetitions(repeated: np.ndarray, pieces: Sequence[Piece]) -> Counter[str]:
    """How many records are repeated, by the reason of their reject."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        low, high = np.searchsorted(repeated, [piece.before + piece.first, piece.before + piece.last + 1])
        counts[piece.layout.repetition] += int(high - low)
    return +counts


class _Cutting:
    """Cuts files into pieces, between two titles where that is possible."""

    def __init__(self, part_rows: int) -> None:
        self.pieces: list[Piece] = []
        self._part_rows = part_rows

    def begin(self, file_number: int, name: str, layout: Layout, before: int) -> None:
        self._of_file: dict[str, Any] = {"name": name, "layout": layout, "before": before}
        self._file_number = file_number
        self._first, self._start, self._behind, self._next, self._held = 0, 0, 0, 0, 0
        self._title: str | None = None

    def piece_of(self, number: int, behind: int, title: str | None) -> int:
        """The number of the piece that a record belongs to; ``title`` is None if it is no passage."""
        is_other = title is not None and title != self._title
        if self._held >= 2 * self._part_rows or (self._held >= self._part_rows and is_other):
            self.close()
        self._title = title if title is not None else self._title
        self._behind, self._next, self._held = behind, number + 1, self._held + 1
        return len(self.pieces)

    def close(self) -> None:
        if self._held:
            number, key = len(self.pieces), f"{self._file_number:04d}-{self._first:010d}"
            place = {"first": self._first, "last": self._next - 1, "start": self._start, "end": self._behind}
            self.pieces.append(Piece.model_validate({"number": number, "key": key, **self._of_file, **place}))
        self._first, self._start, self._held = self._next, self._behind, 0


class _Seen:
    """Hashes of ids and runs of titles, as arrays."""

    def __init__(self) -> None:
        self.records = self.passages = 0
        self.rejects: Counter[str] = Counter()
        self.fault = ""
        self._ids, self._numbers = array("Q"), array("q")
        self._run_pages, self._run_pieces, self._run_lengths = array("q"), array("q"), array("q")
        self._titles: list[pa.Array] = []
        self._new_titles: list[str] = []
        self._title: str | None = None

    def take(self, found: Entry | Fault, piece: int, number: int, where: str) -> None:
        """Note a record: its piece, its number in the corpus, and where it stands, in words."""
        self.records += 1
        if isinstance(found, Fault):
            self.rejects[found.reason] += 1
            self.fault = self.fault or f"{where}: {found.reason} ({found.detail})"
            return
        self.passages += 1
        self._ids.append(found.id_hash)
        self._numbers.append(number)
        if found.title == self._title and self._run_pieces[-1] == piece:
            self._run_lengths[-1] += 1
            return
        self._title = found.title
        self._run_pages.append(found.page_id)
        self._run_pieces.append(piece)
        self._run_lengths.append(1)
        if found.is_titled:
            self._new_titles.append(found.title)
            if len(self._new_titles) == _TITLES_AT_ONCE:
                self._keep_titles()

    def _keep_titles(self) -> None:
        self._titles.append(pa.array(self._new_titles, pa.string()))
        self._new_titles = []

    def titles(self) -> pa.Table:
        self._keep_titles()
        return pa.table({"title": pc.unique(pa.chunked_array(self._titles, pa.string()))})

    def repeated(self) -> pa.Table:
        ids, numbers = np.frombuffer(self._ids, np.uint64), np.frombuffer(self._numbers, np.int64)
        order = np.argsort(ids, kind="stable")
        is_again = ids[order[1:]] == ids[order[:-1]]
        return pa.table({"number": np.sort(numbers[order[1:][is_again]])})

    def ordinals(self) -> pa.Table:
        pages, pieces, lengths = (
            np.frombuffer(values, np.int64) for values in (self._run_pages, self._run_pieces, self._run_lengths)
        )
        order = np.lexsort((pieces, pages))
        pages, pieces, lengths = pages[order], pieces[order], lengths[order]
        before = np.cumsum(lengths) - lengths
        is_first_of_page = np.append(True, pages[1:] != pages[:-1])
        before -= np.repeat(before[is_first_of_page], np.diff(np.append(np.flatnonzero(is_first_of_page), len(pages))))
        is_first_of_piece = is_first_of_page | np.append(True, pieces[1:] != pieces[:-1])
        wanted = np.flatnonzero(is_first_of_piece & (before > 0))
        wanted = wanted[np.argsort(pieces[wanted], kind="stable")]
        return pa.table({"piece": pieces[wanted], "page_id": pages[wanted], "ordinal": before[wanted]})


# -- what a part asks of a scan -------------------------------------------------------------------------------------


def repeated_in(folder: str, piece: Piece) -> frozenset[int]:
    """The numbers in its file of the piece's records whose id an earlier record has."""
    number = pc.field("number")
    wanted = (number >= piece.before + piece.first) & (number <= piece.before + piece.last)
    found = _filtered(storage.join(folder, REPEATED), wanted)
    return frozenset(number - piece.before for number in found["number"].to_pylist())


def ordinals_before(folder: str, piece: Piece) -> dict[int, int]:
    """By page, how many passages earlier pieces hold; pages without any are left out."""
    found = _filtered(storage.join(folder, ORDINALS), pc.field("piece") == piece.number)
    return dict(zip(found["page_id"].to_pylist(), found["ordinal"].to_pylist(), strict=True))


def _filtered(path: str, wanted: pc.Expression) -> pa.Table:
    return pq.read_table(io.BytesIO(storage.read_bytes(path)), filters=wanted)


def pages_named(folder: str, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The titles that are one of these names, but for their disambiguation, by the name."""
    wanted = pa.array(sorted(set(names)), pa.string())
    found: dict[str, list[str]] = {}
    for batch in storage.read_batches(storage.join(folder, TITLES), columns=["title"]):
        bare = pc.replace_substring_regex(batch["title"], r"\s*\([^()]*\)\s*$", "")
        is_named = pc.is_in(bare, value_set=wanted)
        titles = batch["title"].filter(is_named).to_pylist()
        for name, title in zip(bare.filter(is_named).to_pylist(), titles, strict=True):
            found.setdefault(name, []).append(title)
    return {name: tuple(titles) for name, titles in found.items()}

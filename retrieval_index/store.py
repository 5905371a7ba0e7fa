"""Passages by row number, for engines that keep no texts: an Arrow file, mapped into memory."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from retrieval_index.passages import IndexedPassage
from schemas.errors import BadInput

FILE = "passages.arrow"

_SCHEMA = pa.schema([(name, pa.large_string()) for name in IndexedPassage._fields])


class StoreWriter:
    """Appends passages; their row numbers count from 0."""

    def __init__(self, folder: Path) -> None:
        self._writer = pa.ipc.new_file(str(folder / FILE), _SCHEMA)

    def add(self, batch: list[IndexedPassage]) -> None:
        columns = [pa.array(column, pa.large_string()) for column in zip(*batch, strict=True)]
        self._writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))

    def close(self) -> None:
        self._writer.close()


class PassageStore:
    """Reads a closed store."""

    def __init__(self, folder: Path) -> None:
        """Raises BadInput if the file is damaged."""
        try:
            self._table = pa.ipc.open_file(pa.memory_map(str(folder / FILE))).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(f"{folder / FILE}: damaged: {' '.join(str(error).split())}: build the index again") from None

    def __len__(self) -> int:
        rows: int = self._table.num_rows
        return rows

    def __iter__(self) -> Iterator[IndexedPassage]:
        for batch in self._table.to_batches():
            yield from map(IndexedPassage._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def passage_id(self, row: int) -> str:
        passage_id: str = self._table.column(0)[row].as_py()
        return passage_id

    def __getitem__(self, row: int) -> IndexedPassage:
        return IndexedPassage._make(column[row].as_py() for column in self._table.columns)

    def check_ids(self) -> None:
        """Raises BadInput if two passages share an id; the error names the id."""
        counts = pc.value_counts(self._table.column(0))
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        if len(repeated):
            passage_id = repeated[0]["values"].as_py()
            raise BadInput(f"several passages have the passage_id {passage_id!r}: ids must be unique")

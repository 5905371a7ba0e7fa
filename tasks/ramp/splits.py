"""The split of a question, and of a page's text.

`SplitSettings.splits` chooses the method. **table** reads a table of pages, which is written with the small world: its
families never mix. **held_out** is for Wikipedia: a hash of the title decides whether a page is held out, so that a
later snapshot holds out the same pages. Another hash keeps a share of the other pages for `rl`, whose questions no
teacher gets.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow.parquet as pq
import xxhash

from schemas.corpus_settings import SplitSettings
from schemas.errors import BadInput, RunFailed
from schemas.records import Split
from tasks.ledger import storage

TABLE = "splits.parquet"


@dataclass(frozen=True)
class Splits:
    """Splits by ``table`` (split by page id) or, if that is None, by a hash of the title."""

    table: Mapping[int, Split] | None
    held_out_share: float
    rl_share: float = 0.0

    @classmethod
    def of(cls, settings: SplitSettings, dump_folder: str) -> "Splits":
        """The splits of the settings; the table is beside the dump.

        Raises:
            BadInput: the table does not exist.
        """
        table = read_table(storage.join(dump_folder, TABLE)) if settings.splits == "table" else None
        return cls(table, settings.held_out_share, settings.rl_share)

    def of_page(self, page_id: int, title: str) -> Split:
        """The split of a page's text. Only `train` may train the tokenizer and the base model."""
        if self.table is None:
            if is_held_out(title, self.held_out_share):
                return Split.TEST
            return Split.RL if _is_drawn("rl", title, self.rl_share) else Split.TRAIN
        try:
            return self.table[page_id]
        except KeyError:
            raise RunFailed(
                f"page {page_id} ({title}) is not in {TABLE}, which belongs to another dump; "
                f"put the dump's own table beside it, or set ramp.splits: held_out"
            ) from None

    def of_question(self, page_id: int, title: str, masked: Iterable[str]) -> Split:
        """The split of a question: `test` if its page, or a page that its masks are or may be about, is held out.

        Args:
            masked: titles of pages, not of redirects, whose hash is different.
        """
        own = self.of_page(page_id, title)
        if self.table is None and any(is_held_out(page, self.held_out_share) for page in masked):
            return Split.TEST
        return own


def is_held_out(title: str, share: float) -> bool:
    """Whether a title is in the held-out share; the same for every snapshot and machine."""
    return _is_drawn("held out", title, share)


def _is_drawn(lot: str, title: str, share: float) -> bool:
    return xxhash.xxh64_intdigest(f"{lot} {title}".encode()) < share * 2**64


def read_table(path: str) -> dict[int, Split]:
    """The split of each page id.

    Raises:
        BadInput: the table does not exist.
    """
    try:
        table = pq.read_table(io.BytesIO(storage.read_bytes(path)))
    except FileNotFoundError:
        raise BadInput(
            f"{path}: the table of splits does not exist; for a dump without it set ramp.splits: held_out"
        ) from None
    return dict(zip(table["page_id"].to_pylist(), map(Split, table["split"].to_pylist()), strict=True))

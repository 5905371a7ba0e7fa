"""The passages of one piece of a corpus, as rows.

A title is a page. Its number is a hash of the title, so that passages of a title are one page wherever they stand, in
every snapshot. The corpus' own ids are not kept: a passage is the n-th of its title in the order of the corpus.
"""

from collections.abc import Iterator

import xxhash

from schemas.records import Passage, Reject
from tasks.corpus.passage_files import PassageFile
from tasks.corpus.passage_layouts import Entry, Fault, entry_of
from tasks.corpus.passage_records import records
from tasks.corpus.passage_scan import Piece, ordinals_before, repeated_in
from tasks.corpus.passages import n_words

Numbered = tuple[int, Entry]
"""A passage and its ordinal among those of its title."""


def passages_of_piece(
    file: PassageFile, piece: Piece, folder: str, version: str, snapshot: str
) -> Iterator[Passage | Reject]:
    """The passages of a piece, those of a title one after another, and its rejects.

    Args:
        folder: with what the scan found.
        version: of the content of the files.
    """
    repeated, ordinals = repeated_in(folder, piece), ordinals_before(folder, piece)
    pages: dict[int, list[Numbered]] = {}
    for read in records(file, piece.layout, version, piece.place):
        found = read.value if isinstance(read.value, Fault) else entry_of(read.value, piece.layout)
        if isinstance(found, Entry):
            page_id = found.page_id
            ordinal = ordinals.get(page_id, 0)
            ordinals[page_id] = ordinal + 1
            if read.number not in repeated:
                pages.setdefault(page_id, []).append((ordinal, found))
                continue
            found = Fault(piece.layout.repetition, found.title if piece.layout.id is None else found.id)
        yield _reject(snapshot, f"{file.name}:{read.number + 1}", found)
    for page_id, numbered in pages.items():
        yield from _page(snapshot, page_id, numbered)


def _page(snapshot: str, page_id: int, numbered: list[Numbered]) -> Iterator[Passage]:
    """Its revision is a hash of its texts here: a page with other texts is another revision."""
    revision = xxhash.xxh64("\n\n".join(entry.text for _, entry in numbered).encode()).intdigest() >> 1
    for ordinal, entry in numbered:
        yield Passage(
            snapshot=snapshot,
            passage_id=f"{page_id}-{ordinal}",
            page_id=page_id,
            revision_id=revision,
            title=entry.title,
            section="",
            text=entry.text,
            links=[],
            lost=[],
            n_words=n_words(entry.text),
        )


def _reject(snapshot: str, where: str, fault: Fault) -> Reject:
    return Reject(snapshot=snapshot, row_id=where, reason=fault.reason, failed=False, detail=fault.detail)

"""Questions of an earlier snapshot in a later one: their masks stay, and evidence is searched again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.records import Passage, Question
from tasks.corpus.words import plain_words
from tasks.ledger import storage

ALIKE = 0.5
"""Smallest Jaccard similarity of words at which a passage counts as the question's paragraph, edited since."""


def moved(
    questions: Iterable[Question], passages: Mapping[int, Sequence[Passage]], snapshot: str
) -> Iterator[Question]:
    """The questions for ``snapshot``, each with the id of its own passage there, which search must hold back.

    Passages are numbered again in every snapshot, so the old id may belong to another paragraph. A question whose
    paragraph is gone has no passage to hold back and keeps its id.

    Args:
        passages: the passages of ``snapshot``, by page id.
    """
    for question in questions:
        own = _own_passage(question, passages.get(question.page_id or 0, ()))
        passage_id = own.passage_id if own else question.passage_id
        yield question.model_copy(update={"snapshot": snapshot, "passage_id": passage_id})


def read_passages(paths: Iterable[str], page_ids: Iterable[int]) -> dict[int, list[Passage]]:
    """The passages of these pages, by page id. Of a file without such pages little more than the footer is read."""
    wanted = pc.field("page_id").isin(list(page_ids))
    found: dict[int, list[Passage]] = {}
    for path in paths:
        with storage.opened(path) as file:
            for row in pq.read_table(file, filters=wanted).to_pylist():
                found.setdefault(row["page_id"], []).append(Passage.model_validate(row))
    return found


def _own_passage(question: Question, passages: Sequence[Passage]) -> Passage | None:
    same = next((passage for passage in passages if passage.text == question.text), None)
    if same is not None or not passages:
        return same
    assert question.text is not None, "only RAMP questions have a paragraph"
    own = set(plain_words(question.text))
    shares = [_share(own, set(plain_words(passage.text))) for passage in passages]
    best = max(shares)
    return passages[shares.index(best)] if best >= ALIKE else None


def _share(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)

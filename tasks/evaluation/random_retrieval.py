"""Random passages in place of those that search finds: what is left of a score then was not won by search.

Every passage that live search finds is replaced by one drawn from the corpus: as many, about as long, and never one
that holds an answer.
"""

import bisect
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from retrieval_index.hits import AsyncSearcher, Hit, Query, is_held_back
from schemas.manifest import digest_of
from schemas.records import Question
from tasks.agent.scoring import accepted_surfaces, holds
from tasks.ledger import storage

POOL_SIZE = 50_000
_NEIGHBOURS = 64
"""A passage is drawn among so many of the pool that are nearest in length."""


@dataclass(frozen=True, slots=True)
class _Drawable:
    n_words: int
    passage_id: str
    title: str
    text: str


class PassagePool:
    """Passages of a corpus by length."""

    def __init__(self, passages: Sequence[_Drawable]) -> None:
        self._passages = sorted(passages, key=lambda passage: (passage.n_words, passage.passage_id))

    @classmethod
    def read(cls, paths: list[str], seed: int, size: int = POOL_SIZE) -> "PassagePool":
        """From Parquet parts of passages: all of a small corpus, of a large one parts by lot until ``size`` are in."""
        found: list[_Drawable] = []
        for path in sorted(paths, key=lambda path: digest_of([seed, path.rpartition("/")[2]])):
            if len(found) >= size:
                break
            table = storage.read_table(path, ["n_words", "passage_id", "title", "text"])
            found += [_Drawable(**row) for row in table.to_pylist()]
        return cls(found[:size])

    def near(self, n_words: int) -> list[_Drawable]:
        """The passages nearest in length, `_NEIGHBOURS` of them where there are as many."""
        at = bisect.bisect_left(self._passages, n_words, key=lambda passage: passage.n_words)
        start = max(0, min(at - _NEIGHBOURS // 2, len(self._passages) - _NEIGHBOURS))
        return self._passages[start : start + _NEIGHBOURS]


class RandomPassages:
    """A searcher for one question that finds something else, the same for the same query and seed."""

    def __init__(self, live: AsyncSearcher, pool: PassagePool, question: Question, seed: int) -> None:
        self._live, self._pool, self._question, self._seed = live, pool, question, seed

    async def search(self, query: Query, k: int) -> list[Hit]:
        """As many passages as live search finds; fewer only where nothing of like length is unrelated.

        Raises:
            SearchFailed: live search failed.
        """
        hits = await self._live.search(query, k)
        taken = {hit.passage_id for hit in hits}
        lot = random.Random(digest_of([self._seed, self._question.question_id, query.text]))
        drawn = []
        for hit in hits:
            other = self._draw(len(hit.text.split()), taken, query.hold_back, lot)
            if other is not None:
                drawn.append(replace(hit, passage_id=other.passage_id, title=other.title, text=other.text))
                taken.add(other.passage_id)
        return drawn

    def _draw(self, n_words: int, taken: set[str], hold_back: str | None, lot: random.Random) -> _Drawable | None:
        candidates = self._pool.near(n_words)
        lot.shuffle(candidates)
        for passage in candidates:
            known = passage.passage_id in taken or is_held_back(passage.passage_id, hold_back)
            if not known and not self._tells(f"{passage.title}: {passage.text}"):
                return passage
        return None

    def _tells(self, text: str) -> bool:
        return any(holds(text, surface) for surfaces in accepted_surfaces(self._question) for surface in surfaces)


class RandomRetrieval:
    """Random passages in place of live search: a `tasks.rollouts.worker.SearchFor`.

    The corpus is read by the process that searches, when it first does, so that this travels light.
    """

    def __init__(self, passages: list[str], seed: int) -> None:
        self._passages, self._seed = passages, seed

    def __call__(self, live: AsyncSearcher, question: Question) -> AsyncSearcher:
        return RandomPassages(live, self._pool, question, self._seed)

    @cached_property
    def _pool(self) -> PassagePool:
        return PassagePool.read(self._passages, self._seed)

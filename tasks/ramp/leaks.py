"""Training text that stands in an evaluation set: long runs of words that both hold.

A text leaks if a run of ``words`` words in a row (`tasks.agent.scoring.words` without any English article; in Chinese
and Japanese a character is a word) is a run of a question or of an evidence passage of the set. A question of fewer
words counts whole, if it is not so short that it might be anybody's.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import xxhash

from schemas.corpus_settings import LeakRunSettings
from schemas.records import LeakGram, Question, Reject, Split
from tasks.agent.scoring import ARTICLES, words
from tasks.ledger import storage
from tasks.sets.interface import SetText

LEAKS = "leaks"
"""The reason of a question that is rejected."""
_TRAINED_ON = (Split.TRAIN, Split.RL)


def grams_of(texts: Iterable[SetText], settings: LeakRunSettings) -> Iterator[tuple[int, int]]:
    """(number of words, hash) of every run that must not be trained on, each once."""
    seen = set()
    for _, text in texts:
        told = _told(text)
        length = min(len(told), settings.words)
        if length < settings.fewest_words:
            continue
        for gram in _hashes(told, length):
            if (length, gram) not in seen:
                seen.add((length, gram))
                yield length, gram


class LeakTable:
    """All runs of all sets, searched a text at a time."""

    def __init__(self, rows: Iterable[LeakGram]) -> None:
        by_length: dict[int, list[LeakGram]] = {}
        for row in rows:
            by_length.setdefault(row.words, []).append(row)
        self._of = {length: _Runs(of_length) for length, of_length in sorted(by_length.items())}

    def leak_in(self, text: str) -> tuple[str, int] | None:
        """The first set that a run of the text stands in, and the words of the run; None where there is none."""
        told = _told(text)
        for length, runs in self._of.items():
            source = runs.source_of(_hashes(told, length))
            if source is not None:
                return source, length
        return None


class _Runs:
    """Of one length, sorted by hash."""

    def __init__(self, rows: Sequence[LeakGram]) -> None:
        hashes = np.array([row.hash for row in rows], dtype=np.int64)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._names = sorted({row.source for row in rows})
        numbers = {name: number for number, name in enumerate(self._names)}
        self._sources = np.array([numbers[row.source] for row in rows], dtype=np.int32)[order]

    def source_of(self, hashes: Iterable[int]) -> str | None:
        asked = np.fromiter(hashes, dtype=np.int64)
        places = np.searchsorted(self._hashes, asked)
        found = np.flatnonzero(self._hashes[np.minimum(places, len(self._hashes) - 1)] == asked)
        return self._names[self._sources[places[found[0]]]] if len(found) else None


def without_leaks(rows: Iterable[Question | Reject], table: LeakTable) -> Iterator[Question | Reject]:
    """The rows, with a reject in place of every question to train on that leaks: its paragraph, or without one its
    prompt. Its title alone is not looked at: it is a name, which any set may hold.
    """
    for row in rows:
        leak = table.leak_in(row.text or row.prompt) if isinstance(row, Question) and row.split in _TRAINED_ON else None
        yield row if leak is None else _leaking(row, *leak)


@lru_cache(maxsize=1)
def read_table(paths: tuple[str, ...]) -> LeakTable:
    """One table a process, kept from part to part."""
    return LeakTable(row for path in paths for row in storage.read_rows(path, LeakGram))


def _told(text: str) -> list[str]:
    return [word for word in words(text) if word not in ARTICLES]


def _hashes(told: Sequence[str], length: int) -> Iterator[int]:
    """63 bits of every run of so many words."""
    for start in range(len(told) - length + 1):
        yield xxhash.xxh64_intdigest("\x1f".join(told[start : start + length]).encode()) >> 1


def _leaking(row: Question | Reject, source: str, length: int) -> Reject:
    assert isinstance(row, Question)
    detail = f"{source}: {length} words"
    return Reject(snapshot=row.snapshot, row_id=row.question_id, reason=LEAKS, failed=False, detail=detail)

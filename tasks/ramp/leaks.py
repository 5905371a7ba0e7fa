"""Training questions that stand in an evaluation set: the same question, or long runs of words that both hold.

A text leaks if a run of ``words`` words in a row (`tasks.agent.scoring.words` without any English article; in Chinese
and Japanese a character is a word) is a run of a question or of an evidence passage of the set. A question of fewer
words counts whole, if it is not so short that it might be anybody's.

A question of a set leaks, besides, if it is the same as a question of the set (`tasks.ramp.question_keys`), however
short. Paragraphs with masks are compared by runs only.

Two questions of one template are no leak: their runs differ, because a template without names is shorter than a run,
and a run that more than `SHARED` questions of the evaluated sets have is a template (an instruction before each
question, say) and is not looked for.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import xxhash

from schemas.corpus_settings import LeakRunSettings
from schemas.records import LeakGram, Question, Reject, Split
from schemas.split_uses import TRAINING
from tasks.agent.scoring import ARTICLES, words
from tasks.ledger import storage
from tasks.ramp.question_keys import question_key
from tasks.sets.interface import SetText

LEAKS = "leaks"
"""The reason of a question that is rejected."""
SHARED = 20
"""The most questions of an evaluated set that have a run in common which is looked for. Of 16,700 different questions
of six published sets, no run of 13 words is in more than 15; an instruction before the question is in all of them."""
WHOLE = 0
"""The number of words of a `LeakGram` that is a whole question."""
Gram = tuple[int, int]
"""The number of words, or `WHOLE`, and the hash."""


def grams_of(texts: Iterable[SetText], settings: LeakRunSettings) -> Iterator[Gram]:
    """Every run that must not be trained on, each once."""
    seen = set()
    for _, text in texts:
        for gram in _runs(text, settings):
            if gram not in seen:
                seen.add(gram)
                yield gram


def grams_of_held(texts: Iterable[SetText], settings: LeakRunSettings, language: str) -> Iterator[Gram]:
    """The runs of the questions of an evaluated set, each once, without those of templates.

    With `LeakRunSettings.evidence`, the runs of evidence passages, too.
    """
    asked, told = dict[str, str](), list[SetText]()
    for text in texts:
        if text.kind == "question":
            asked[question_key(text.text, language) or ""] = text.text
        elif settings.evidence:
            told.append(text)
    counts = Counter(gram for text in asked.values() for gram in set(_runs(text, settings)))
    templates = {gram for gram, count in counts.items() if count > SHARED}
    wanted = (SetText("question", text) for text in asked.values())
    yield from (gram for gram in grams_of((*wanted, *told), settings) if gram not in templates)


def keys_of(texts: Iterable[SetText], language: str) -> Iterator[Gram]:
    """Every whole question, each once."""
    keys = (question_key(text.text, language) for text in texts if text.kind == "question")
    yield from ((WHOLE, _hash_of(key)) for key in dict.fromkeys(keys) if key is not None)


class LeakTable:
    """All runs and whole questions of all sets, searched a text at a time."""

    def __init__(self, rows: Iterable[LeakGram]) -> None:
        by_length: dict[int, list[LeakGram]] = {}
        for row in rows:
            by_length.setdefault(row.words, []).append(row)
        whole = by_length.pop(WHOLE, [])
        self._whole = _Runs(whole) if whole else None
        self._of = {length: _Runs(of_length) for length, of_length in sorted(by_length.items())}

    def leak_of(self, question: Question) -> str | None:
        """The set that a question stands in, and what of it; None for a question that leaks nothing.

        Compared are its paragraph, or without one its prompt. Its title alone is not: it is a name, which any set may
        hold.
        """
        source = None if question.kind == "ramp" else self._source_of_whole(question)
        if source is not None:
            return f"{source}: the same question"
        leak = self.leak_in(question.text or question.prompt)
        return None if leak is None else f"{leak[0]}: {leak[1]} words"

    def _source_of_whole(self, question: Question) -> str | None:
        key = question_key(question.prompt, question.language)
        return None if self._whole is None or key is None else self._whole.source_of([_hash_of(key)])

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


def without_leaks(
    rows: Iterable[Question | Reject], table: LeakTable, checked: Collection[Split] = TRAINING
) -> Iterator[Question | Reject]:
    """The rows, with a reject in place of every question of these splits that leaks (`LeakTable.leak_of`)."""
    for row in rows:
        leak = table.leak_of(row) if isinstance(row, Question) and row.split in checked else None
        yield row if leak is None else _leaking(row, leak)


@lru_cache(maxsize=1)
def read_table(paths: tuple[str, ...]) -> LeakTable:
    """One table a process, kept from part to part."""
    return LeakTable(row for path in paths for row in storage.read_rows(path, LeakGram))


def _told(text: str) -> list[str]:
    return [word for word in words(text) if word not in ARTICLES]


def _runs(text: str, settings: LeakRunSettings) -> Iterator[Gram]:
    """The runs of a text that count, or the whole text if it has fewer words; none of a text that is too short."""
    told = _told(text)
    length = min(len(told), settings.words)
    if length >= settings.fewest_words:
        yield from ((length, gram) for gram in _hashes(told, length))


def _hashes(told: Sequence[str], length: int) -> Iterator[int]:
    """The hash of every run of so many words."""
    for start in range(len(told) - length + 1):
        yield _hash_of("\x1f".join(told[start : start + length]))


def _hash_of(text: str) -> int:
    """63 bits, which fit a signed column."""
    return xxhash.xxh64_intdigest(text.encode()) >> 1


def _leaking(row: Question | Reject, detail: str) -> Reject:
    assert isinstance(row, Question)
    return Reject(snapshot=row.snapshot, row_id=row.question_id, reason=LEAKS, failed=False, detail=detail)

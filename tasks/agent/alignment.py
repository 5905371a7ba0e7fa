"""Which words of an answer stand at the place of each mask.

The masked text is a pattern of words and masks; the answer should copy it with every mask filled in. An alignment of
least cost (Needleman and Wunsch, 1970) maps the answer to the pattern: similar words match, and a mask absorbs any run
of words. Costs are integers, in thousandths of a word:

    a pattern word omitted, or an answer word inserted            1000 (250 for a punctuation mark)
    a pattern word replaced by an answer word                     the sum of both, times their dissimilarity (0 to 1)
    an answer word absorbed by a mask                             2
    an answer word before or after the copied text                1 (unless the pattern has a mask at that end)

So the masks keep their places if the copy has slips, or the answer talks before or after it. Of an answer that repeats
the text, the last copy counts.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import regex
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from tasks.agent.protocol import MASK

MIN_COPIED = 0.5
"""The least share of the masked text's words that an answer must copy. With less, its places are unknown."""

_WORD, _PUNCTUATION, _FILLED, _AROUND = 1000, 250, 2, 1
_ALIKE = 0.6
_NEVER = np.iinfo(np.int64).max // 4

# A mask, a character of a script without spaces, a word, a punctuation mark. The order matters: "[mask]" must not be
# read as brackets and a word. The lookahead ends a word before such a character, since \p{L} includes these scripts.
_TOKEN = regex.compile(
    r"\[mask\]|[\p{Han}\p{Hiragana}\p{Katakana}]|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}])[\p{L}\p{M}\p{N}])+|\S"
)


class _Token(NamedTuple):
    word: str
    start: int
    end: int

    @property
    def is_mask(self) -> bool:
        return self.word == MASK

    @property
    def weight(self) -> int:
        return _WORD if self.word[0].isalnum() else _PUNCTUATION


@lru_cache(maxsize=256)
def _tokens(text: str) -> list[_Token]:
    """The tokens of a text. They are cached because the rollouts of a group share one masked text."""
    return [_Token(found[0].casefold(), *found.span()) for found in _TOKEN.finditer(text)]


def align(masked_text: str, answer: str) -> list[str | None]:
    """The answer's text at each mask of ``masked_text``, in order.

    It is verbatim, and empty where the mask was not filled in (or the answer still holds ``[mask]``). It is None where
    the place is unknown: the answer copies less than half of the masked text's words, or several masks have no copied
    word or punctuation mark between them and were not filled with one word each.
    """
    pattern, written = _tokens(masked_text), _tokens(answer)
    if not any(token.is_mask for token in pattern):
        return []
    met, taken = _traced(pattern, written, _costs(pattern, written))
    if not _is_copy(pattern, met):
        return [None] * len(taken)
    fillings: list[str | None] = []
    for group in _groups(pattern, met):
        run = sorted(position for mask in group for position in taken[mask])
        shares = [[position] for position in run] if len(run) == len(group) else None
        shares = [run] if len(group) == 1 else shares
        fillings += [_text(answer, [written[p] for p in share]) for share in shares] if shares else [None] * len(group)
    return fillings


def _text(answer: str, run: list[_Token]) -> str:
    filled = [token for token in run if not token.is_mask]
    return answer[filled[0].start : filled[-1].end] if filled else ""


def _unlikeness(pattern: list[_Token], written: list[_Token]) -> np.ndarray:
    """(pattern, written): from 0 for equal words to 1 for dissimilar words, by characters (Indel distance)."""
    alike = cdist(
        [token.word for token in pattern],
        [token.word for token in written],
        scorer=Indel.normalized_similarity,
        score_cutoff=_ALIKE,
        dtype=np.float32,
    )
    return 1.0 - alike


def _costs(pattern: list[_Token], written: list[_Token]) -> "_Costs":
    left_out = np.array([token.weight for token in pattern], np.int64)
    put_in = np.array([token.weight for token in written], np.int64)
    if not written:
        return _Costs(left_out, put_in, np.zeros((len(pattern), 0), np.int64))
    swapped = ((left_out[:, None] + put_in) * _unlikeness(pattern, written)).astype(np.int64)
    return _Costs(left_out, put_in, swapped)


@dataclass(frozen=True, slots=True)
class _Costs:
    left_out: np.ndarray
    """(pattern)"""
    put_in: np.ndarray
    """(written)"""
    swapped: np.ndarray
    """(pattern, written)"""


def _table(pattern: list[_Token], costs: _Costs) -> np.ndarray:
    """(pattern + 1, written + 1): the least cost of aligning the first i pattern tokens with the first j written ones.

    Rows are computed as arrays. Along a row a token costs the same whatever came before, so the minimum over earlier
    columns is a running minimum of (cost - cumulative cost), to which the cumulative cost is added again.
    """
    n_written = len(costs.put_in)
    best = np.empty((len(pattern) + 1, n_written + 1), np.int64)
    best[0] = np.arange(n_written + 1) * _AROUND
    if pattern[0].is_mask:
        best[0, 1:] = _NEVER
    inserted = np.concatenate([[0], np.cumsum(costs.put_in)])
    filled = np.arange(n_written + 1) * _FILLED
    for i, token in enumerate(pattern):
        above, row = best[i], best[i + 1]
        if token.is_mask:
            row[:] = np.minimum.accumulate(above - filled) + filled
            continue
        np.add(above, costs.left_out[i], out=row)
        np.minimum(row[1:], above[:-1] + costs.swapped[i], out=row[1:])
        row[:] = np.minimum.accumulate(row - inserted) + inserted
    return best


def _traced(pattern: list[_Token], written: list[_Token], costs: _Costs) -> tuple[list[bool], dict[int, list[int]]]:
    """Whether a similar word matched each pattern token, and what each mask (by its index in the pattern) absorbed.

    Both are traced backwards through the table. Of equal costs a mask prefers to absorb nothing more.
    """
    best = _table(pattern, costs)
    met = [False] * len(pattern)
    taken: dict[int, list[int]] = {i: [] for i, token in enumerate(pattern) if token.is_mask}
    i, j = len(pattern), len(written)
    if not pattern[-1].is_mask:
        behind = best[-1] + np.arange(j, -1, -1) * _AROUND
        j = int(j - np.argmin(behind[::-1]))
    while i > 0:
        here = best[i, j]
        if pattern[i - 1].is_mask:
            if here == best[i - 1, j]:
                i -= 1
            else:
                j -= 1
                taken[i - 1].append(j)
        elif j > 0 and here == best[i - 1, j - 1] + costs.swapped[i - 1, j - 1]:
            i, j = i - 1, j - 1
            met[i] = bool(costs.swapped[i, j] < costs.left_out[i] + costs.put_in[j])
        elif here == best[i - 1, j] + costs.left_out[i - 1]:
            i -= 1
        else:
            j -= 1
    return met, taken


def _is_copy(pattern: list[_Token], met: list[bool]) -> bool:
    own = sum(token.weight for token in pattern if not token.is_mask)
    copied = sum(token.weight for token, is_met in zip(pattern, met, strict=True) if is_met)
    return copied >= MIN_COPIED * own


def _groups(pattern: list[_Token], met: list[bool]) -> list[list[int]]:
    """Groups of masks (by index in the pattern): masks with no copied token between them share a group."""
    groups: list[list[int]] = []
    apart = True
    for i, token in enumerate(pattern):
        if not token.is_mask:
            apart = apart or met[i]
        elif apart:
            groups.append([i])
            apart = False
        else:
            groups[-1].append(i)
    return groups

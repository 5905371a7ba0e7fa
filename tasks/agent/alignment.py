"""Which words of an answer stand at each mask's own place.

The masked text is a pattern of its own words and of masks; the answer should copy it with every mask filled in.
An alignment of least cost (Needleman and Wunsch, 1970) lays the one over the other: the pattern's words want to be met
by like words of the answer, and a mask takes in any run of words. Costs are integers, in thousandths of a word:

    a pattern word left out, or an answer word put in between     1000 (250 a punctuation mark)
    a pattern word met by another                                 both of the above, times their unlikeness (0 to 1)
    an answer word taken in by a mask                             2
    an answer word before or behind the copied text               1 (unless the pattern has a mask at that end)

So slips in the copied words, and talk around them, leave the places of the masks where they are; and an answer that
says the text twice is read where it says it last.
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
"""The least share of the masked text's own words that an answer must copy for its places to be told."""

_WORD, _PUNCTUATION, _FILLED, _AROUND = 1000, 250, 2, 1
_ALIKE = 0.6
_NEVER = np.iinfo(np.int64).max // 4

# A mask, a character of a script without spaces, a word, a punctuation mark.
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
    """The tokens of a text; kept, because the rollouts of a group share one masked text."""
    return [_Token(found[0].casefold(), *found.span()) for found in _TOKEN.finditer(text)]


def align(masked_text: str, answer: str) -> list[str | None]:
    """What the answer wrote at each mask of ``masked_text``, in order.

    The text is as the answer wrote it; empty where nothing was filled in (or the answer still holds ``[mask]``).
    None where nothing can be told: less than half of the masked text's own words were copied, or several masks have no
    copied word or punctuation mark between them and were not filled with one word each.
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
    """(pattern, written): 0 for the same word to 1 for one that is not alike, by characters (Indel distance)."""
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
    """(pattern + 1, written + 1): the least cost of aligning the first i of the pattern with the first j written."""
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
    """Whether a like word met each pattern token, and what each mask (by its place in the pattern) took in."""
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
    """Masks (by place in the pattern) that have no copied token between them share a group."""
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

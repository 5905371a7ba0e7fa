"""Words, word boundaries and names, for the rules of masking and the queries of evidence.

Scripts without spaces (Chinese, Japanese, Korean particles) have no word boundaries: a word may begin at any character.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import Prefix

_UNSPACED = re.compile(r"[\u2e80-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002fa1f]")
_PART = re.compile(r"[^\W_]+")
_ACCENT = re.compile(r"[\u0300-\u036f]")
# Compounds, contractions and abbreviations with inner stops are one word: "Swedish-born", "O'Brien", "U.S".
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_WORD_BEFORE = re.compile(r"([^\W_]+\.?)[ \u00a0]\Z")
_WORD_BEHIND = re.compile(r"[ \u00a0]([^\W_]+)")
_LONGEST_WORD = 40
_POSSESSIVE = re.compile(r"['’]s$")
_INITIAL_GAP = re.compile(r"\. ?")
_IS_POSSESSIVE = re.compile(r"['’]s(?![^\W_])")
_ACRONYM = re.compile(r"[A-Z]{2,6}")
_ARTICLES = frozenset({"the", "a", "an", "der", "die", "das", "dem", "den", "des"})
_JOINTS = "-‐‑–/'’"

_EN_FUNCTION = """
according a about above across after again against all along also although among an and another any are around as at be
because been before behind being below beneath beside besides between beyond both but by can despite did do does
down during each either every few first following for from had has have he her here hers him his how however i
if in indeed inside instead into is it its itself later less many may meanwhile more moreover most much my near
neither never nevertheless no nor not now of off on once one only onto or other others our out over per perhaps
rather she since so some soon still such than that the their them then there therefore these they this those
though through throughout thus to today together toward towards two under unless unlike until up upon us was we
were what when where whereas which while who whom whose why will with within without yet you your
"""
_DE_FUNCTION = """
aber alle als am an auch auf aus bei beim bis da dabei damit dann das dass dem den denn der des die dies diese
dieser dieses doch dort durch ein eine einem einen einer eines er es etwa für gegen hat hatte hier ihm ihr ihre
im in ist ja jedoch kein keine man mit nach neben nicht noch nun nur ob oder ohne sein seine seit sich sie sind
so sondern sowie trotz um und unter viele vom von vor war waren was weil wenn wer wie wird wo wurde wurden
während zu zum zur zwei zwischen über
"""
_EN_PREPOSITIONS = "about after around before between by during for from in of on over since to under until"
_DE_PREPOSITIONS = "ab an bis in im nach seit um von vor zwischen über"
_CONNECTING = "of the de la le les du des van von der den del della di da do dos e y el al bin ibn"
_CALENDAR = """
january february march april may june july august september october november december
monday tuesday wednesday thursday friday saturday sunday
januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag
"""

FUNCTION_WORDS = {"en": frozenset(_EN_FUNCTION.split()), "de": frozenset(_DE_FUNCTION.split())}
"""By language, words that may begin a sentence or be in a title without being part of a name."""
PREPOSITIONS = {"en": frozenset(_EN_PREPOSITIONS.split()), "de": frozenset(_DE_PREPOSITIONS.split())}
CALENDAR_WORDS = frozenset(_CALENDAR.split())
CAPITAL_NOUNS = frozenset({"de", "lb"})
"""Languages that write all nouns with capitals."""
_CONNECTORS = frozenset(_CONNECTING.split())


def has_unspaced(text: str) -> bool:
    """Whether a character of the text is of a script without spaces between words."""
    return _UNSPACED.search(text) is not None


def count_unspaced(text: str) -> int:
    return len(_UNSPACED.findall(text))


def cuts_word(text: str, offset: int) -> bool:
    """Whether a cut before ``text[offset]`` separates letters or digits of one word."""
    if not 0 < offset < len(text):
        return False
    before, after = text[offset - 1], text[offset]
    return before.isalnum() and after.isalnum() and not has_unspaced(before + after)


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is whole words: not part of a word, of a compound, or of a longer number.

    ``Einstein`` in "Einstein's" is a whole word; ``Swedish`` in "Swedish-born" and ``198`` in "1,198" are not.
    """
    return not (
        cuts_word(text, start) or cuts_word(text, end) or _joined_before(text, start) or _joined_after(text, end)
    )


def _joined_before(text: str, start: int) -> bool:
    if start < 2 or not text[start].isalnum():
        return False
    mark, before = text[start - 1], text[start - 2]
    if mark in ".,:":
        return before.isdigit() and text[start].isdigit()
    return mark in _JOINTS and before.isalnum() and not has_unspaced(before)


def _joined_after(text: str, end: int) -> bool:
    if end + 1 >= len(text) or not text[end - 1].isalnum():
        return False
    mark, after = text[end], text[end + 1]
    if mark in ".,:":
        return after.isdigit() and text[end - 1].isdigit()
    return mark in _JOINTS and after.isalnum() and not has_unspaced(after) and not _IS_POSSESSIVE.match(text, end)


def occurrences(text: str, surface: str) -> int:
    """How often a surface occurs in a text in whole words of any case, also within compounds and longer names."""
    text, surface = text.casefold(), surface.casefold()
    count, offset = 0, text.find(surface)
    while offset >= 0:
        count += not (cuts_word(text, offset) or cuts_word(text, offset + len(surface)))
        offset = text.find(surface, offset + 1)
    return count


def words_of(text: str) -> list[str]:
    """The words of a text, case folded, without a possessive ending."""
    return [_POSSESSIVE.sub("", word.casefold()) for word in _WORD.findall(text)]


def content_words(text: str, language: str) -> list[str]:
    """The content words of a text as written: without function words, and without words of fewer than four letters.

    In a script without spaces every two neighbouring characters are a word.
    """
    ignored = FUNCTION_WORDS.get(language, frozenset())
    found: list[str] = []
    for word in _WORD.findall(text):
        if has_unspaced(word):
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        elif (len(word) > 3 or word.isdigit()) and word.casefold() not in ignored:
            found.append(word)
    return found


def stems(text: str, language: str) -> frozenset[str]:
    """Content words, case folded and cut to five letters, so that "visited" matches "visitors"."""
    return frozenset(_POSSESSIVE.sub("", word.casefold())[:5] for word in content_words(text, language))


@lru_cache(maxsize=256)
def main_words(title: str, language: str) -> frozenset[str]:
    """The words of a title that name its subject: without function words and without text in parentheses."""
    ignored = FUNCTION_WORDS.get(language, frozenset())
    return frozenset(word for word in plain_words(bare_title(title)) if word not in ignored and len(word) > 1)


def plain_words(text: str) -> list[str]:
    """The words of a text, case folded, compounds split, without accents: ``ampere`` and ``law`` for "Ampère-Law"."""
    return _PART.findall(_ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold())))


def are_kin(one: str, other: str) -> bool:
    """Whether one plain word gives away the other: they are equal, one begins with the other, or most of both is equal.

    "albania" and "albanian", "afghan" and "afghanistan", "animation" and "animators".
    """
    common = Prefix.similarity(one, other)
    shorter = min(len(one), len(other))
    return one == other or (common >= 4 and common == shorter) or (common >= 5 and common >= 0.6 * shorter)


def begins_as_name(surface: str, language: str) -> bool:
    """Whether the first word, not counting an article, begins with a capital or a digit or has no capitals."""
    ignored = FUNCTION_WORDS.get(language, frozenset())
    first = next((word for word in _WORD.findall(surface) if word not in _ARTICLES & ignored), "")
    return any(character.isupper() or character.isdigit() for character in first[:1]) or has_unspaced(first)


def is_acronym(word: str) -> bool:
    """Two to six capital letters."""
    return _ACRONYM.fullmatch(word) is not None


def initials(name: str, language: str) -> set[str]:
    """The possible acronyms of a name of several words: of all its words, and of its words without function words."""
    ignored = FUNCTION_WORDS.get(language, frozenset())
    words = _PART.findall(name)
    choices = [words, [word for word in words if word.casefold() not in ignored]]
    return {"".join(word[0] for word in chosen).upper() for chosen in choices if len(chosen) > 1}


def spelled_out(text: str, language: str) -> str:
    """The first letters of the capitalised words of a text, in order, with a space for each other word."""
    ignored = FUNCTION_WORDS.get(language, frozenset())
    words = [word for word in _PART.findall(text) if word not in ignored]
    return "".join(word[0] if word[0].isupper() and len(word) > 1 else " " for word in words)


def bare_title(title: str) -> str:
    """A title without its disambiguation: ``Mercury`` for ``Mercury (planet)``."""
    return re.sub(r"\s*\([^()]*\)\s*$", "", title) or title


class Name(NamedTuple):
    """``text[start:end] == surface``."""

    start: int
    end: int
    surface: str


class _Word(NamedTuple):
    start: int
    end: int
    text: str

    @property
    def is_capital(self) -> bool:
        return self.text[0].isupper()


def _words(text: str) -> Iterator[_Word]:
    for found in _WORD.finditer(text):
        yield _Word(*found.span(), found[0])


def names_in(text: str, language: str) -> list[Name]:
    """Runs of capitalised words, with connectors ("Bank of Ostel"), without leading function words or calendar words.

    A single letter is not a name, nor is a function word that has its capital because it begins a sentence.
    """
    ignored = FUNCTION_WORDS.get(language, frozenset()) | CALENDAR_WORDS
    names: list[Name] = []
    run: list[_Word] = []

    def close() -> None:
        while run and not run[-1].is_capital:
            run.pop()
        while run and (not run[0].is_capital or run[0].text.casefold() in ignored):
            run.pop(0)
        if run and not all(word.text.casefold() in ignored for word in run):
            start = run[0].start
            surface = _POSSESSIVE.sub("", text[start : run[-1].end])
            if len(surface) > 1:
                names.append(Name(start, start + len(surface), surface))
        run.clear()

    for word in _words(text):
        if run and not _goes_on(text[run[-1].end : word.start], run[-1], word):
            close()
        if word.is_capital or (run and word.text in _CONNECTORS):
            run.append(word)
        else:
            close()
    close()
    return names


def _goes_on(gap: str, before: _Word, word: _Word) -> bool:
    if _POSSESSIVE.search(before.text):
        return False
    initial = len(before.text) == 1 or before.text.count(".") > 0
    return gap == " " or (initial and _INITIAL_GAP.fullmatch(gap) is not None and word.is_capital)


def is_inside_name(text: str, start: int, end: int, language: str) -> bool:
    """Whether a capitalised word of the same name is right before or behind: ``1998`` in "1998 World Cup"."""
    ignored = FUNCTION_WORDS.get(language, frozenset()) | CALENDAR_WORDS
    before = word_before(text, start)
    behind = _WORD_BEHIND.match(text, end)
    neighbours = [before, behind[1] if behind else ""]
    return any(word[:1].isupper() and word.casefold() not in ignored for word in neighbours)


def word_before(text: str, offset: int) -> str:
    """The word before ``offset``, if a single space separates them; otherwise empty."""
    found = _WORD_BEFORE.search(text, max(0, offset - _LONGEST_WORD), offset)
    return found[1] if found else ""

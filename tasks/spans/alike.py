"""Names that a similar name in the text reveals: of the same thing, of the same row, or in another year."""

import re

from tasks.corpus.words import CALENDAR_WORDS, FUNCTION_WORDS, occurrences, plain_words

_MIN_WORD = 4
_KINDS = """
airport army bank basin battle bay bridge canal castle cathedral championship championships church city coast
college commission conference congress council county court cup delta desert district dynasty empire forest games
gulf highway institute island islands kingdom lake language languages league library mount mountain mountains museum
navy ocean palace park party peak peninsula plateau prize province railway range republic revolution river road
school sea square station strait street temple territory tower town treaty union university valley village war wars
"""
_CLASSES = frozenset(_KINDS.split())
"""English words for the kind of a named thing, which do not distinguish it from others of its kind."""
_SIBLINGS = [
    re.compile(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])")
    for words in (
        "(?:North|South)(?:[ -]?(?:[Ee]ast|[Ww]est))?(?:ern)?|(?:East|West)(?:ern)?|Central",
        "First|Second|Third|Fourth|Fifth|Sixth|Last",
        "I|II|III|IV|V|VI",
        "Upper|Lower|Middle|Inner|Outer|Greater|Lesser|Old|New|Early|Late|High",
        "(?:Erst|Zweit|Dritt|Viert)e[nrs]?",
        "Ober|Unter|Nieder|Alte[nrs]?|Neue[nrs]?|Große[nrs]?|Kleine[nrs]?",
    )
]
"""Words that replace each other in a row of names: if the text has one name of the row, few others are left.

The lookarounds exclude letters but, unlike ``\\b``, allow digits and underscores.
"""
_YEAR_OF_NAME = re.compile(r"\A(?:1\d|20)\d\d (?=.* )")


def is_revealed_by_other_name(surface: str, rest: str, language: str) -> bool:
    """Whether the rest of the text has a name that reveals this name.

    That is a name with its distinctive word, "Tarn District" for "Tarn River"; a name of the same row, "AFC North" for
    "AFC West"; or the name without its year, "US Open" for "2006 US Open".
    """
    if _YEAR_OF_NAME.match(surface) and occurrences(rest, _YEAR_OF_NAME.sub("", surface)):
        return True
    for sibling in _SIBLINGS:
        for found in sibling.finditer(surface):
            before, behind = surface[: found.start()], surface[found.end() :]
            name = f"{re.escape(before)}{sibling.pattern}{re.escape(behind)}"
            if before + behind and re.search(rf"(?<![^\W\d_]){name}(?![^\W\d_])", rest):
                return True
    ignored = FUNCTION_WORDS.get(language, frozenset()) | CALENDAR_WORDS
    own = [word for word in plain_words(surface) if word not in ignored]
    distinctive = [word for word in own if word not in _CLASSES and len(word) >= _MIN_WORD]
    around = frozenset(plain_words(rest))
    is_of_class = language == "en" and len(own) == 2 and len(distinctive) == 1
    return is_of_class and not around.isdisjoint({distinctive[0], f"{distinctive[0]}s"})

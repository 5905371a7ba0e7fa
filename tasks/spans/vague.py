"""Places that several answers would fit, or none but by another name: a century, a plan, a rough count, a gloss."""

import re

from schemas.records import SpanKind
from tasks.corpus.words import has_unspaced
from tasks.spans.patterns import unit_behind

_ORDINAL = r"\d{1,2}(?:st|nd|rd|th)"
_CENTURY = re.compile(
    rf"(?:{_ORDINAL} (?:and|or|to) )?{_ORDINAL}[ -]centur(?:y|ies)(?: (?:BCE?|CE|AD))?"
    r"|\d{1,2}\. Jahrhunderts?(?: [vn]\.\s?Chr\.)?|(?:公元前|西元前)?\d{1,2}世[纪紀]"
)
# A decade may lack its century, "the '30s"; German "1930er" may lack "Jahre".
_DECADE = re.compile(r"(?:early |mid-?|late )?(?:1\d|20)?\d0(?:['’]?s|er(?:[ -]Jahren?)?|年代)", re.IGNORECASE)
_PLAN = re.compile(
    r"\b(?:will|(?:is|are|was|were) (?:expected|scheduled|planned|projected) to)\b"
    r"|\bsoll(?:en)?\b(?!.*\b(?:sein|haben|worden)\b)|\b(?:geplant|vorgesehen)\b|预计|預計|计划于|計劃於"
)
"""German "soll" means a plan or hearsay: "soll 1820 gestorben sein" is hearsay and not a plan."""
_ROUND_YEAR = re.compile(r"(?:1\d|20)?\d{1,2}0(?: (?:BCE?|CE|AD))?|AD \d+0")
_ROUGHLY = re.compile(r"\b(?:[Uu]m|[Cc]irca|[Cc]a?\.|[Aa]round|[Aa]bout|[Aa]pproximately)(?: das Jahr| the year)? \Z")
_INTENT = re.compile(r"\b(?:plans?|planned|aims?|intends?|hopes?) to\b|\benvisages?\b")
# The amount is one end of a range whose other end is behind it, or before it. A word may separate "to" from the first
# end: "5 km to".
_RANGE_GOES_ON = re.compile(r"\s?[–—-]\s?[$€£¥]?\d|\s(?:to|bis)\s[$€£¥]?\d")
_RANGE_BEGAN = re.compile(r"\d\s?[%°]?\s?[–—-]\s?\Z|\d[%°]?\s(?:[^\W\d]+\s)?(?:to|bis)\s[$€£¥]?\Z")
_OTHERS = re.compile(r",? (?:and|or) (?:[^\W\d]+ )?others?\b|,? (?:und|oder|sowie) (?:[^\W\d]+ )?andere[nr]?\b")
# A hyphen with a space behind it stands for a shared second half: "north- and southbound".
_HANGING = re.compile(r"[-‐]\s|[/／]")
# A Latin name in parentheses right behind a Chinese one is its original; a few characters may complete the name.
_ORIGINAL = re.compile(r"[^，。；（）()]{0,6}[（(][A-Za-zÀ-ɏ]")
# In parentheses: a name in another script, or "literally" with the meaning.
_GLOSS = re.compile(r" \((?:[^()A-Za-z]*[Ͱ-Ͽἀ-῿Ѐ-ӿ֐-ۿऀ-ॿ一-鿿]|[^()]*\bliterally\b)")
# All parts are optional, so that one pattern matches every direction and adjective: "West", "South-East", "Northern".
_DIRECTION = re.compile(r"(?:North|South)?-?(?:[Ee]ast|[Ww]est)?(?:ern)?|(?:Nord|Süd)?(?:[Oo]st|[Ww]est)?(?:en)?")
_ALSO_CALLED = re.compile(r" \([A-ZÀ-Þ][\w'’-]*(?: (?:of|the|[A-ZÀ-Þ][\w'’-]*))*\)")
_BETWEEN = re.compile(r"\b(?:[Bb]etween|[Zz]wischen)\b[^.;]*\Z")
_AND_BOUND = re.compile(r" (?:and|und) \D{0,3}\d")
_BOUND_AND = re.compile(r"\d\D{0,3} (?:and|und) \D{0,1}\Z")
_OFFICE = re.compile(
    r"(?:(?:Vice|Prime) )?(?:President|Minister|Chancellor|King|Queen|Emperor|Empress|Tsar|Prince|Princess|Duke|Earl"
    r"|Pope|Bishop|Archbishop|Cardinal|Saint|Sir|Lord|Lady|General|Colonel|Major|Captain|Commander|Admiral|Governor"
    r"|Senator|Judge|Justice|Professor|Doctor|(?:Bundeskanzler|Bundespräsident|König|Kaiser)(?:in)?|Papst|Kurfürst)"
)
_NAME_FOLLOWS = re.compile(r" [^\W\d_a-z]")
_REFERENCE_GOES_ON = re.compile(r" (?:[IVXLC]+[²³]?|\d+)[ ,)]")
_CITED_BEFORE = re.compile(r"\((?:see )?[A-Z][\w.'’-]+(?:,? (?:and|&|et al\.?|[A-Z][\w.'’-]*))*,? \Z")
_CITED_BEHIND = re.compile(r"\)|, pp?\. |: \d")
_LONGEST_PHRASE = 60
_NAME_OPENS = re.compile(r"(?<![^\W\d_])[^\W\d_a-z][\w'’.-]* \(\Z")
_LONGEST_WORD = 40
# The amount is repeated in another unit behind it, "5 km (3 mi)", or before it. A year in parentheses is no amount.
_AGAIN = re.compile(r"[ \u00a0]?[^\s\d]{1,10} ?(?:or|[(=]) ?[~≈]?(?!(?:1\d|20)\d\d\b)\d")
_AGAIN_BEFORE = re.compile(r"\d [^\s\d]{1,10} ?(?:or |[(=] ?)\Z")
_DAYS_APART = re.compile(r"\b(?:days?|weeks?|months?|years?) (?:after|before|later|earlier)\b")
_DAYS_LATER = re.compile(r"\b(?:days? later|(?:next|following) day)\b[^.]*\d")
_MONTH_AND_DAY = re.compile(r"[^\W\d]{3,} \d{1,2}\b|\b\d{1,2}\.? [^\W\d]{3,}")
_DATED = re.compile(r"\d{4}\s?年|世[纪紀]")
_YEAR = re.compile(r"\b(?:1\d|20)\d\d\b")
_HEDGE = re.compile(
    r"\b(?:more than|over|about|around|some|nearly|approximately|almost|at least|up to|(?:grown|risen|fallen) to"
    r"|über|mehr als|rund|etwa|knapp|ca\.|fast|mindestens)\s\Z",
    re.IGNORECASE,
)
_LONGEST_HEDGE = 24
_NEXT_SENTENCE = 250
"""The number of characters behind a date that are searched for the next sentence."""
_OF_A_PEOPLE = re.compile(r"[A-Z]\w+(?:ian|ean|can|ish|ese|ic)|Greek|French|Dutch|German|Roman|Swiss|Thai|Czech")


def is_vague(kind: SpanKind, surface: str, sentence: str, before: str, behind: str, language: str) -> bool:
    """Whether other answers would be as right as the span.

    Args:
        sentence: the sentence of the span.
        before, behind: the whole text on either side of the span.
    """
    if before[-1:] in ("/", "／") or _HANGING.match(behind):
        return True
    if kind in (SpanKind.ENTITY, SpanKind.TERM):
        return _is_vague_name(kind, surface, before, behind)
    if _CENTURY.fullmatch(surface) or _DECADE.fullmatch(surface) or _PLAN.search(sentence):
        return True
    if _INTENT.search(sentence.partition(surface)[0]):
        return True
    if _CITED_BEFORE.search(before[-_LONGEST_PHRASE:]) and _CITED_BEHIND.match(behind):
        return True  # "(Vint, 1996)"
    if kind is SpanKind.DATE:
        return _is_vague_date(surface, sentence, before, behind)
    return _is_vague_number(surface, sentence, before, behind, language)


def _is_vague_name(kind: SpanKind, surface: str, before: str, behind: str) -> bool:
    if kind is SpanKind.TERM and _OTHERS.match(behind):
        return True
    if kind is SpanKind.ENTITY and behind.startswith(")") and _NAME_OPENS.search(before[-_LONGEST_WORD:]):
        return True  # the meaning of a name, or another name of the same thing: "De Anima (On the Soul)"
    if (_ORIGINAL if has_unspaced(surface) else _GLOSS).match(behind):
        return True  # the name in its own language, or its meaning, is beside it
    if _DIRECTION.fullmatch(surface) or _ALSO_CALLED.match(behind):
        return True  # "46° East"; "Iran (Persia)"
    if _OFFICE.fullmatch(surface) and _NAME_FOLLOWS.match(behind):
        return True  # "President Karzai": the name reveals the office
    if before.endswith("(") and _REFERENCE_GOES_ON.match(behind):
        return True  # "(IG II² 1617)"
    # "Greek tradition": "local", "ancient" or "Delphic" would be as right
    return _OF_A_PEOPLE.fullmatch(surface) is not None and re.match(r" [a-z]", behind) is not None


def _is_vague_date(surface: str, sentence: str, before: str, behind: str) -> bool:
    if _ROUND_YEAR.fullmatch(surface) and _ROUGHLY.search(before[-_LONGEST_HEDGE:]):
        return True
    if _MONTH_AND_DAY.search(surface) and _DAYS_LATER.search(behind[:_NEXT_SENTENCE]):
        return True  # "Two days later, the September 11 attacks …"
    return _DAYS_APART.search(sentence) is not None and re.search(r"\d", sentence.replace(surface, "")) is not None


def _is_vague_number(surface: str, sentence: str, before: str, behind: str, language: str) -> bool:
    lead = before[-_LONGEST_HEDGE:]
    is_between = _BETWEEN.search(before[-_LONGEST_PHRASE:]) is not None
    if is_between and (_AND_BOUND.match(behind) or _BOUND_AND.search(lead)):
        return True  # "between 26% and 29%"
    is_cut = behind[:1] in ("%", "‰") or _RANGE_GOES_ON.match(behind) or _RANGE_BEGAN.search(lead)
    if is_cut or _AGAIN.match(behind) or _AGAIN_BEFORE.search(lead):
        return True
    if has_unspaced(sentence):
        return not _DATED.search(sentence)
    is_rough = _HEDGE.search(lead) is not None and not unit_behind(language).match(behind)
    return is_rough and not _YEAR.search(sentence.replace(surface, ""))

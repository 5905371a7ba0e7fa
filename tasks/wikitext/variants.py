"""Text in several scripts or spellings: ``-{zh-hans:计算机; zh-hant:電腦}-``, on wikis that convert between them.

https://www.mediawiki.org/wiki/Writing_systems/Syntax describes the flags. The text of the first variant in the wiki's
list (wikis.yaml) that the markup has is shown.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tasks.templates.marks import lost

_INNERMOST = re.compile(r"-\{([^{}]*)\}-")
_FLAGS = re.compile(r"[\w\s;+-]*")
_DEPTH = 10


@lru_cache(maxsize=8)
def _rule(variants: Sequence[str]) -> re.Pattern[str]:
    """The beginning of one variant's text: ``zh-hans:``, or ``name=>zh-hans:`` for one direction."""
    names = "|".join(sorted(map(re.escape, variants), key=len, reverse=True))
    return re.compile(rf"(?:^|;)\s*(?:[^;=]*=>\s*)?({names})\s*:", re.IGNORECASE)


def in_one_variant(text: str, variants: Sequence[str]) -> str:
    """The text as readers see it; each conversion shows the first of these variants that it has."""
    if not variants or "-{" not in text:
        return text
    for _ in range(_DEPTH):
        text, count = _INNERMOST.subn(lambda found: _shown(found[1], variants), text)
        if not count:
            break
    return text


def _shown(body: str, variants: Sequence[str]) -> str:
    before, pipe, rest = body.partition("|")
    if not pipe or not _FLAGS.fullmatch(before):
        before, rest = "", body
    flags = {flag.strip() for flag in before.split(";")} - {""}
    if "R" in flags:
        return rest
    if "-" in flags or "H" in flags or flags == {"T"}:
        return ""
    if "D" in flags or "N" in flags:  # a list of variants by name, or the name of one
        return lost("variants")
    texts = _texts(rest, variants)
    return next((texts[name] for name in variants if name in texts), rest)


def _texts(body: str, variants: Sequence[str]) -> dict[str, str]:
    """Texts by variant; empty if the body is one text for all variants."""
    pieces = _rule(tuple(variants)).split(body)
    if pieces[0].strip(" \n;"):
        return {}
    return {
        name.lower(): words.strip().rstrip(";").rstrip() for name, words in zip(pieces[1::2], pieces[2::2], strict=True)
    }

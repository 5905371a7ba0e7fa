"""Links of wikitext, replaced by their words between marks (marks.py)."""

import re
from functools import lru_cache

from tasks.templates.marks import LinkMarks
from tasks.wikitext.tidying import tidy
from tasks.wikitext.titles import decoded, spaced
from tasks.wikitext.wikis import Wiki

_OF_TITLE = r"[^\s#%_:<>\[\]{}|&\x01-\x07\u200e\u200f\u202a-\u202e]"
_OF_WORDS = r"[^\s\x01-\x07]"
_PLAIN = re.compile(rf"([^\W_]{_OF_TITLE}*+(?: {_OF_TITLE}++)*+)(?:\|({_OF_WORDS}++(?: {_OF_WORDS}++)*+))?")
"""Most links: a title without prefix or section, and words without marks, which need no further parsing."""
_ADDRESS = re.compile(r"(?:(?:https?|ftps?|irc):)?//|mailto:|news:", re.IGNORECASE)
_UNCLOSED = re.compile(
    r"(?P<formula>\[\[[^\[\]|\n]*+\][^\[\]\n]*+\](?!\]))"
    r"|\[\[(?:[^\[\]|\n]*\|)?(?P<words>[^\[\]|\n]*+)(?:\](?!\]))?"
)
"""``[[Elm|the elm`` and ``[[Elm|the elm]`` keep their words; ``[[2-ethoxy]phenyl]`` is text and not a link."""
_LETTER = r"[^\W\d_]"
_PASSES = 10


@lru_cache(maxsize=8)
def _pattern(trail: str, is_prefixed: bool) -> re.Pattern[str]:
    # Letters before a link are matched from the first letter of a word only. Without the lookbehind a long word that no
    # link follows would be tried from each of its letters, in quadratic time; `++` and `?+` do not give letters back.
    before = rf"(?:(?<!{_LETTER})(?P<before>{_LETTER}++))?+" if is_prefixed else ""
    # The body may contain single brackets, but no double ones, so that inner links are replaced first.
    link = rf"\[\[(?P<body>[^\[\]]*+(?:(?:\[[^\[\]]*+\]|\](?!\]))[^\[\]]*+)*+)\]\](?P<trail>{trail})?"
    return re.compile(before + link + ("" if is_prefixed else "(?P<before>)"))


def with_links(text: str, wiki: Wiki, links: LinkMarks) -> str:
    """The text with links as marks. Inner links are replaced first: those in a file's caption are dropped with it."""

    def shown(found: re.Match[str]) -> str:
        body, before, trail = found.group("body", "before", "trail")
        before, trail = before or "", trail or ""
        plain = _PLAIN.fullmatch(body)
        if plain is not None:
            return links.mark(wiki.titled(plain[1]), f"{before}{plain[2] or plain[1]}{trail}")
        title, words = _read(body, wiki, links)
        whole = before + words + trail
        anchor = whole.strip()
        if title is None or not anchor or "\x04" in anchor:
            return whole
        left, _, right = whole.partition(anchor)
        return left + links.mark(title, anchor.replace("\n", " ")) + right

    for _ in range(_PASSES):
        if "[[" not in text:
            return text
        text, count = _pattern(wiki.trail, wiki.is_prefixed).subn(shown, text)
        if not count:
            break
    if "[[" in text:
        text = wiki.unclosed.sub("", text)
    return _UNCLOSED.sub(lambda found: found["formula"] or found["words"], text)


def _read(body: str, wiki: Wiki, links: LinkMarks) -> tuple[str | None, str]:
    """The title of the article that a link leads to, or None, and the words that it shows."""
    written, _, words = body.partition("|")
    written = tidy(written)
    if _ADDRESS.match(written):  # an external link in one pair of brackets too many
        return None, words or written.partition(" ")[2]
    target = decoded(written)
    prefix, colon, name = target.partition(":")
    if colon and prefix.strip():
        if wiki.is_category(prefix):
            links.categories.append(spaced(name))
            return None, ""
        if wiki.is_file(prefix, name) or wiki.is_language(prefix):
            return None, ""
    title = wiki.article(target)
    return title, words or (target if title is not None else written).removeprefix(":")

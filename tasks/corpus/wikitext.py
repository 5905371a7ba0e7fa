"""Wikitext → plain text with links and marks of what was lost, at offsets in code points.

A page is rewritten step by step with regular expressions, each over the whole text: comments and elements without
prose, templates, tables, links, quotes, tags, entities, lines. Links and losses travel as marks (marks.py), and are
counted at the end. The text has paragraphs, ``== headings ==`` and list items (``* ``, ``: ``), a line each; a blank
line stands between blocks.
"""

import html
import re
from functools import lru_cache
from typing import NamedTuple

from schemas.records import Link, Lost
from tasks.corpus.blocks import assemble
from tasks.corpus.marks import GAP, LinkMarks, lost, unmark, without_controls
from tasks.corpus.raised import in_line
from tasks.corpus.templates import expand, template_table
from tasks.corpus.tidying import tidy
from tasks.corpus.wikis import Wiki

_LOSSES = "math|chem|ce|hiero|score|graph|syntaxhighlight|source|pre|del|strike|s"
_SILENT = (
    "gallery|timeline|imagemap|mapframe|maplink|templatestyles|inputbox|categorytree|references|section|indicator|"
    "rss|ref"
)
_SILENT_NAMES = frozenset(_SILENT.split("|"))
_ELEMENTS = re.compile(
    r"<(?:!--(?:.*?-->|.*)"
    r"|(?P<name>nowiki|" + _LOSSES + "|" + _SILENT + r")\b(?P<attributes>[^<>]*?)"
    r"(?:/>|>(?P<body>[^<]*+(?:<(?!/?(?P=name)\b)[^<]*+)*+)</(?P=name)\s*>))",
    re.DOTALL | re.IGNORECASE,
)
_COMMENT_LINE = re.compile(r"\n[ \t]*<!--(?:[^-<]++|-(?!->)|<(?!!--))*+-->[ \t]*+(?=\n)")
_UNCLOSED_REF = re.compile(r"<ref\b[^\n]*", re.IGNORECASE)
_TABLE = re.compile(r"^[ \t:*#]*\{\|(?:(?!^[ \t:*#]*\{\|).)*?^[ \t]*\|\}", re.DOTALL | re.MULTILINE)
_UNCLOSED_TABLE = re.compile(r"^[ \t:*#]*\{\|.*?(?=^==|\Z)", re.DOTALL | re.MULTILINE)
_HTML_TABLE = re.compile(r"<table\b(?:(?!<table\b).)*?</table\s*>", re.DOTALL | re.IGNORECASE)
_TABLE_LINE = re.compile(r"\n[ \t]*\|[^\n]*")
_EXTERNAL = re.compile(
    r"\[(?:(?:https?:|ftps?:|irc:)?//|mailto:|news:)[^\s\[\]<>]++[ \t]*+((?:[^\[\]\n]++|\[[^\[\]\n]*+\])*+)\]",
    re.IGNORECASE,
)
_QUOTES = re.compile(r"''+")
_BREAK = re.compile(r"<(?:br|hr)\b[^<>]*>", re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:p|div|center|blockquote|poem|ul|ol|dl|h[1-6]|table|tr|td|th|caption)\b[^<>]*>", re.IGNORECASE
)
_ITEM = re.compile(r"<(?:li|dd|dt)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_SWITCH = re.compile(r"__[A-Z]{3,}__")
_VARIANT = re.compile(r"-\{([^{}]*)\}-")
_LEFT_OVER = re.compile(r"\{\{[^\n]*|\}\}|\[\[|\]\]")
_PASSES = 10


class Cleaned(NamedTuple):
    text: str
    links: list[Link]
    lost: list[Lost]
    templates: set[str]
    """Names of the templates that the page calls, in lower case."""
    categories: list[str]
    """Names, without namespace, of the categories that the page puts itself into."""


def clean(wikitext: str, wiki: Wiki) -> Cleaned:
    """What a reader of the page sees as running text."""
    text = _without_elements(without_controls(wikitext))
    text, templates = expand(text, template_table(wiki.language))
    text = _without_tables(text)
    links = LinkMarks()
    text = _EXTERNAL.sub(r"\1", _with_links(text, wiki, links))
    text = _without_quotes(text)
    text = _without_tags(text)
    text = _LEFT_OVER.sub(_left_over, _SWITCH.sub("", text))
    text = html.unescape(text)
    marked = unmark(assemble(text), links.targets)
    return Cleaned(*marked, templates, links.categories)


# -- elements and tables --------------------------------------------------------------------------------------------


def _without_elements(text: str) -> str:
    if "<" not in text:
        return text
    text = _COMMENT_LINE.sub("", text)
    return _UNCLOSED_REF.sub(lost("ref"), _ELEMENTS.sub(_element, text))


_ESCAPED = {ord(sign): f"&#{ord(sign)};" for sign in "[]{}|<>='*#:;&_-~"}


def _element(found: re.Match[str]) -> str:
    name = (found["name"] or "").lower()
    if not name:
        return ""  # a comment
    if name in _SILENT_NAMES:
        return GAP
    if name == "nowiki":
        return (found["body"] or "").translate(_ESCAPED).replace("\n", " ")
    return lost(name) if found["body"] else ""


def _without_tables(text: str) -> str:
    for pattern, opening in ((_TABLE, "{|"), (_HTML_TABLE, "<table")):
        for _ in range(_PASSES):
            if opening not in text:
                break
            text, count = pattern.subn("\n", text)
            if not count:
                break
    if "{|" in text:
        text = _UNCLOSED_TABLE.sub("", text)
    return _TABLE_LINE.sub("\n", f"\n{text}")


# -- links ----------------------------------------------------------------------------------------------------------

_PLAIN_LINK = re.compile(
    r"([^\W_](?:[^\s#_:<>\[\]{}|&\x01-\x07]| (?=[^\s|]))*)(?:\|([^\s\x01-\x07]+(?: [^\s\x01-\x07]+)*))?"
)
"""Most links: a title without prefix or section, and words without marks. Nothing in them needs a closer look."""


@lru_cache(maxsize=8)
def _link_pattern(trail: str) -> re.Pattern[str]:
    return re.compile(rf"\[\[((?>[^\[\]]+|\[[^\[\]]*\]|\](?!\]))*+)\]\]({trail})?")


def _with_links(text: str, wiki: Wiki, links: LinkMarks) -> str:
    """Links as marks, from the innermost: links in a file's caption come before the file, and go with it."""

    def shown(found: re.Match[str]) -> str:
        plain = _PLAIN_LINK.fullmatch(found[1])
        if plain is not None:
            return links.mark(wiki.titled(plain[1]), (plain[2] or plain[1]) + (found[2] or ""))
        return _link(found[1], found[2] or "", wiki, links)

    for _ in range(_PASSES):
        if "[[" not in text:
            break
        text, count = _link_pattern(wiki.trail).subn(shown, text)
        if not count:
            break
    return text


def _link(body: str, trail: str, wiki: Wiki, links: LinkMarks) -> str:
    target, pipe, words = body.partition("|")
    target = html.unescape(tidy(target))
    prefix, colon, _ = target.partition(":")
    if colon and prefix and not target.startswith(":"):
        lowered = prefix.strip().lower()
        if lowered in wiki.categories:
            links.categories.append(target[len(prefix) + 1 :].strip())
            return trail
        if lowered in wiki.dropped or (wiki.is_language(prefix) and lowered not in wiki.outside):
            return trail
    anchor = (words if pipe else target.removeprefix(":")).strip().replace("\n", " ") + trail
    title = wiki.article(target)
    if title is None or "\x04" in anchor or not anchor:
        return anchor
    return links.mark(title, anchor)


# -- quotes and tags ------------------------------------------------------------------------------------------------


def _without_quotes(text: str) -> str:
    if "''" not in text:
        return text
    if "'''" in text:
        text = "\n".join(_with_apostrophe(line) if "'''" in line else line for line in text.split("\n"))
    return _QUOTES.sub(_quote, text)


def _quote(found: re.Match[str]) -> str:
    """Four are bold and an apostrophe; of more than five, five are markup."""
    length = len(found[0])
    return "'" if length == 4 else "'" * (length - 5)


def _with_apostrophe(line: str) -> str:
    """MediaWiki's rule for ``''Titanic'''s``: where bold and italics are both left open, a bold is an apostrophe."""
    runs = list(_QUOTES.finditer(line))
    bold = [run for run in runs if len(run[0]) in (3, 4)]
    both = sum(len(run[0]) >= 5 for run in runs)
    italic = sum(len(run[0]) == 2 for run in runs)
    if not bold or (len(bold) + both) % 2 == 0 or (italic + both) % 2 == 0:
        return line
    before = [line[max(0, run.start() - 2) : run.start()] for run in bold]
    single = [run for run, two in zip(bold, before, strict=True) if two[-1:].strip() and not two[:-1].strip()]
    word = [run for run, two in zip(bold, before, strict=True) if two[-1:].strip()]
    chosen = (single or word or bold)[0]
    return f"{line[: chosen.start()]}&#39;{line[chosen.start() + 1 :]}"


def _without_tags(text: str) -> str:
    if "-{" in text:
        text = _VARIANT.sub(_variant, text)
    if "<" not in text:
        return text
    text = in_line(text)
    text = _ITEM.sub("\n* ", _BLOCK.sub("\n\n", _BREAK.sub(" ", text)))
    return _TAG.sub("", text)


def _variant(found: re.Match[str]) -> str:
    """Chinese in two scripts: ``-{zh-hans:计算机; zh-hant:電腦}-`` shows the first, ``-{电}-`` itself."""
    body = found[1].rpartition("|")[2]
    first = body.partition(";")[0]
    return first.partition(":")[2].strip() if re.match(r"\s*zh[\w-]*\s*:", first) else body


def _left_over(found: re.Match[str]) -> str:
    """What no pattern closed. An open template's parameters are no prose: they go with it, to the line's end."""
    return lost("markup") if found[0].startswith("{{") else ""

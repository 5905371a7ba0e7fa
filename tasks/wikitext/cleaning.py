"""Wikitext → plain text, with links and losses at offsets in code points.

A page is rewritten in steps, each over the whole text: comments and elements without prose (elements.py), templates,
tables, links, quotes, variants, tags, switches, entities, lines. Links and losses are marks in the text (marks.py)
until the last step computes their offsets. The text has paragraphs, ``== headings ==`` and list items (``* ``,
``: ``), each on one line; a blank line separates blocks.
"""

import re
from typing import NamedTuple

from schemas.records import Link, Lost
from tasks.templates.expansion import expand, template_table
from tasks.templates.marks import LinkMarks, lost, unmark, without_controls
from tasks.wikitext.blocks import assemble
from tasks.wikitext.elements import without_elements
from tasks.wikitext.links import with_links
from tasks.wikitext.raised import in_line
from tasks.wikitext.switches import without_switches
from tasks.wikitext.tags import without_tags
from tasks.wikitext.titles import without_entities
from tasks.wikitext.variants import in_one_variant
from tasks.wikitext.wikis import Wiki

# The body of a table contains no start of another table, so that nested tables are removed from the innermost outwards.
_TABLE = re.compile(r"^[ \t:*#]*\{\|(?:(?!^[ \t:*#]*\{\|).)*?^[ \t]*\|\}", re.DOTALL | re.MULTILINE)
# A table that nothing closes ends at the next heading, so that it does not take the rest of the page along.
_UNCLOSED_TABLE = re.compile(r"^[ \t:*#]*\{\|.*?(?=^==|\Z)", re.DOTALL | re.MULTILINE)
_HTML_TABLE = re.compile(r"<table\b(?:(?!<table\b).)*?</table\s*>", re.DOTALL | re.IGNORECASE)
# Rows whose table's start is missing, for example because a template writes it.
_TABLE_LINE = re.compile(r"\n[ \t]*\|[^\n]*")
# The words of an external link may contain single brackets. Possessive quantifiers keep text with many unclosed
# brackets linear.
_EXTERNAL = re.compile(
    r"\[(?:(?:https?:|ftps?:|irc:)?//|mailto:|news:)[^\s\[\]<>]++[ \t]*+((?:[^\[\]\n]++|\[[^\[\]\n]*+\])*+)\]",
    re.IGNORECASE,
)
_QUOTES = re.compile(r"''+")
# A bracket within brackets, as chemical names have it, is text: "[[2-ethoxy]phenyl]" and not the end of a link.
_LEFT_OVER = re.compile(r"(?P<open>\{\{)[^\n]*|\}\}|(?P<formula>\[[^\[\]\n]*+\[[^\[\]\n]*+\]\])|\]\]")
_PASSES = 10


class Cleaned(NamedTuple):
    text: str
    links: list[Link]
    lost: list[Lost]
    templates: set[str]
    """Names of the templates that the page calls, in lower case."""
    categories: list[str]
    """Names of the page's categories, without the namespace."""


def clean(wikitext: str, wiki: Wiki) -> Cleaned:
    """The running text that a reader of the page sees."""
    text = without_elements(without_controls(wikitext))
    text, templates = expand(text, template_table(wiki.language))
    text = _without_tables(text)
    links = LinkMarks()
    text = _EXTERNAL.sub(r"\1", with_links(text, wiki, links))
    text = _without_quotes(text)
    text = without_tags(in_line(in_one_variant(text, wiki.variants)))
    text = without_entities(_without_left_overs(without_switches(text, wiki.switches)))
    marked = unmark(assemble(text), links.targets)
    return Cleaned(*marked, templates, links.categories)


# -- tables ---------------------------------------------------------------------------------------------------------


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


# -- quotes and unclosed markup -------------------------------------------------------------------------------------


def _without_quotes(text: str) -> str:
    if "''" not in text:
        return text
    if "'''" in text:
        text = "\n".join(_with_apostrophe(line) if "'''" in line else line for line in text.split("\n"))
    return _QUOTES.sub(_quote, text)


def _quote(found: re.Match[str]) -> str:
    """The apostrophes that remain of a run: four are bold and an apostrophe; of more than five, five are markup."""
    length = len(found[0])
    return "'" if length == 4 else "'" * (length - 5)


def _with_apostrophe(line: str) -> str:
    """MediaWiki's rule for ``''Titanic'''s``: if bold and italics are both left open, one bold is an apostrophe."""
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


def _without_left_overs(text: str) -> str:
    """The text without unclosed markup. An unclosed template takes the rest of its line along: its parameters."""
    if "{{" not in text and "}}" not in text and "]]" not in text:
        return text
    return _LEFT_OVER.sub(lambda found: lost("markup") if found["open"] else found["formula"] or "", text)

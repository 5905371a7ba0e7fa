"""Hostile repetition: four times the text takes about four times as long; a quadratic pattern takes sixteen times."""

import time
from collections.abc import Callable

import pytest

from tasks.corpus.sentences import sentences
from tasks.dumps.xml import Site
from tasks.templates.expansion import expand, template_table
from tasks.templates.marks import lost
from tasks.wikitext.cleaning import clean
from tasks.wikitext.tidying import tidy
from tasks.wikitext.wikis import wiki_of_site

LOSS = lost("template:unknown")
WIKI = wiki_of_site(Site(), "en")
CHINESE, UKRAINIAN = wiki_of_site(Site(), "zh"), wiki_of_site(Site(), "uk")

HOSTILE: dict[str, Callable[[int], object]] = {
    "dots": lambda n: sentences("." * n + "x", "en"),
    "closing quotes": lambda n: sentences('."' * n + "x", "en"),
    "unknown templates and semicolons": lambda n: clean("a{{unknown}};" + "{{unknown}};" * n, WIKI),
    "the same within a bracket": lambda n: clean("a (" + "{{unknown}};" * n, WIKI),
    "commas behind an unknown template": lambda n: clean("a{{unknown}}" + "," * n + "b", WIKI),
    "commas and spaces": lambda n: tidy(LOSS + ", " * n + "b"),
    "spaces beside a loss": lambda n: tidy("a" + " " * n + f"{LOSS}b"),
    "losses behind a bracket": lambda n: tidy("a (" + LOSS * n + "b"),
    "references within references": lambda n: clean("<ref>" * n, WIKI),
    "references never closed": lambda n: clean("<ref>a\n" * n + "</ref>", WIKI),
    "references closed a line too late": lambda n: clean("<ref><ref></ref>\n" * n, WIKI),
    "comments": lambda n: clean("<!-- a --> " * n, WIKI),
    "comments within a line": lambda n: clean("a <!-- a --> b" * n, WIKI),
    "tags that end nowhere": lambda n: clean("<b <rt><rp>a" * n, WIKI),
    "files never closed": lambda n: clean("[[File:a|b [[c] " * n, WIKI),
    "brackets within brackets": lambda n: clean("[a[b]" * n + "]]", WIKI),
    "switches": lambda n: clean("__a_" * n, WIKI),
    "variants": lambda n: clean("-{zh-hans:a;-{H|" * n, CHINESE),
    "letters before no link": lambda n: clean("а" * n + " [[а" * n, UKRAINIAN),
    "templates without words": lambda n: expand("a" + "{{cn}}" * n + "b", template_table()),
}
MEASURED = 0.01
"""Shortest time, in seconds, that is worth comparing."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_repetition_takes_time_in_proportion(hostile: Callable[[int], object]) -> None:
    n = 500
    while n < 256_000 and seconds(hostile, n) < MEASURED:
        n *= 2
    once, four_times = (min(seconds(hostile, size) for _ in range(3)) for size in (n, 4 * n))
    assert four_times < 8 * max(once, MEASURED)


def seconds(work: Callable[[int], object], n: int) -> float:
    """CPU seconds of this process, so that other work of the machine is not counted."""
    began = time.process_time()
    work(n)
    return time.process_time() - began

"""What a page's links name: the pages behind them, and what their words may mean where they stand again.

A link to a redirect leads to the page behind it (behind one redirect, as a reader is led): which pages are held out,
and what else a page is called, is known by its own title. A redirect to a section names a thing without a page: it
stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from schemas.records import Link, Passage

Mentions = Mapping[str, tuple[str, ...]]
"""By a link's anchor the pages that it leads to somewhere on the page."""


def with_mentions(passages: Iterable[Passage], aliases: Mapping[str, list[str]]) -> Iterator[tuple[Passage, Mentions]]:
    """Each passage, its links leading to pages, with the mentions of its page: what a page links once may be masked
    where it is named again.

    Args:
        passages: those of a page in a row.
        aliases: redirects by the title of the page they lead to.
    """
    pages = {redirect: title for title, redirects in aliases.items() for redirect in redirects}
    for _, of_page in groupby(passages, key=lambda passage: passage.page_id):
        page = [_leading_to(pages, passage) for passage in of_page]
        mentions = mentions_of(page)
        for passage in page:
            yield passage, mentions


def mentions_of(passages: Iterable[Passage]) -> Mentions:
    """Of the passages of one page; anchors and pages in order."""
    found: dict[str, set[str]] = {}
    for passage in passages:
        for link in passage.links:
            found.setdefault(link.anchor, set()).add(link.target)
    return {anchor: tuple(sorted(found[anchor])) for anchor in sorted(found)}


def _leading_to(pages: Mapping[str, str], passage: Passage) -> Passage:
    """The passage without links to redirects."""
    if not any(link.target in pages for link in passage.links):
        return passage
    return passage.model_copy(update={"links": [_led(pages, link) for link in passage.links]})


def _led(pages: Mapping[str, str], link: Link) -> Link:
    return link.model_copy(update={"target": pages.get(link.target, link.target)})

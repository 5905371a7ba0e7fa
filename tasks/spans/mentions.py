"""The pages that a page's links name, and the possible meanings of link anchors where they occur again.

A link to a redirect is replaced by a link to the redirect's target (one redirect, as for a reader), because held-out
pages and other names are looked up by a page's own title. A redirect to a section names a thing without a page: links
to it stay.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from schemas.records import Link, Passage

Mentions = Mapping[str, tuple[str, ...]]
"""By anchor, the pages to which links with this anchor lead anywhere on the page."""


def with_mentions(passages: Iterable[Passage], aliases: Mapping[str, list[str]]) -> Iterator[tuple[Passage, Mentions]]:
    """Each passage with its links to redirects replaced, and the mentions of its page.

    With mentions, a name that a page links once may be masked where it occurs again.

    Args:
        passages: the passages of a page must be consecutive.
        aliases: redirects by the title of the page they lead to.
    """
    pages = {redirect: title for title, redirects in aliases.items() for redirect in redirects}
    for _, of_page in groupby(passages, key=lambda passage: passage.page_id):
        page = [_leading_to(pages, passage) for passage in of_page]
        mentions = mentions_of(page)
        for passage in page:
            yield passage, mentions


def mentions_of(passages: Iterable[Passage]) -> Mentions:
    """The mentions of the passages of one page; anchors and pages are sorted."""
    found: dict[str, set[str]] = {}
    for passage in passages:
        for link in passage.links:
            found.setdefault(link.anchor, set()).add(link.target)
    return {anchor: tuple(sorted(found[anchor])) for anchor in sorted(found)}


def _leading_to(pages: Mapping[str, str], passage: Passage) -> Passage:
    """The passage with its links to redirects replaced."""
    if not any(link.target in pages for link in passage.links):
        return passage
    return passage.model_copy(update={"links": [_led(pages, link) for link in passage.links]})


def _led(pages: Mapping[str, str], link: Link) -> Link:
    return link.model_copy(update={"target": pages.get(link.target, link.target)})

"""The pages and redirects of a range of a dump, as rows."""

import re
from collections.abc import Iterator, Mapping

from schemas.corpus_settings import CleaningSettings
from schemas.records import Page, Redirect, Reject
from schemas.snapshot import language_of
from tasks.corpus.reuse import EarlierPages
from tasks.dumps.dumps import DumpRange
from tasks.dumps.reasons import Reason, reject
from tasks.dumps.repeats import Kept, Repeats
from tasks.dumps.xml import Broken, PageNumbers, RawPage, Site, read_raw_pages, read_site
from tasks.templates.page_kinds import PageKinds
from tasks.wikitext.cleaning import clean
from tasks.wikitext.titles import decoded
from tasks.wikitext.wikis import Wiki, wiki_of_site

_DEFAULTS = CleaningSettings()
_NO_REPEATS: Mapping[int, Kept] = {}
# A page may be a redirect only if it has the element, or its text begins with the "#" of "#REDIRECT". Other pages are
# not parsed.
_MAY_REDIRECT = re.compile(rb"<redirect\b|<text[^<>]*>\s*#")


def read_redirects(
    dump_range: DumpRange, snapshot: str, numbers: PageNumbers | None = None
) -> Iterator[Redirect | Reject]:
    """The redirects of the range that lead to another article as a whole; a reject with its reason for other redirects.

    ``numbers`` notes the ids of all pages of the range.
    """
    site = read_site(dump_range)
    wiki = wiki_of_site(site, language_of(snapshot))
    for raw in read_raw_pages(dump_range, site, _MAY_REDIRECT.search, numbers):
        if isinstance(raw, Broken):
            yield reject(snapshot, raw.row_id, raw.reason, raw.detail)
        elif raw.namespace == 0 and (target := _redirect_target(raw, site, wiki)) is not None:
            title = wiki.article(target)
            reason = _bad_redirect(raw.title, target, title)
            if reason is not None:
                yield reject(snapshot, str(raw.page_id), reason, f"{raw.title} → {target}")
            else:
                yield Redirect(
                    snapshot=snapshot,
                    title=raw.title,
                    target=str(title),
                    page_id=raw.page_id,
                    revision_id=raw.revision_id,
                )


def read_pages(
    dump_range: DumpRange,
    snapshot: str,
    settings: CleaningSettings = _DEFAULTS,
    earlier: EarlierPages | None = None,
    repeats: Repeats = _NO_REPEATS,
) -> Iterator[Page | Reject]:
    """The articles of the range, without the redirects that lead to them (`tasks.corpus.aliases.with_redirects`).

    Redirects are skipped without a reject, because `read_redirects` accounts for them. A page whose revision is in
    ``earlier``, which was built with the same settings, is taken from there. Of a page in ``repeats`` one occurrence
    is read and the others are rejected, even if they are redirects.
    """
    site = read_site(dump_range)
    wiki = wiki_of_site(site, language_of(snapshot))
    kinds = PageKinds(language_of(snapshot), settings)
    seen: set[int] = set()
    for raw in read_raw_pages(dump_range, site):
        if isinstance(raw, Broken):
            yield reject(snapshot, raw.row_id, raw.reason, raw.detail)
            continue
        kept = repeats.get(raw.page_id)
        if kept is not None:
            if raw.page_id in seen or kept != Kept(dump_range.key, raw.revision_id):
                detail = f"{raw.title}: revision {raw.revision_id}, and revision {kept.revision_id} is kept"
                yield reject(snapshot, str(raw.page_id), Reason.REPEATED_PAGE, detail)
                continue
            seen.add(raw.page_id)
        if raw.namespace != 0:
            yield reject(snapshot, str(raw.page_id), Reason.NAMESPACE, f"{raw.title} ({raw.namespace})")
        elif _redirect_target(raw, site, wiki) is None:
            known = earlier.find(raw) if earlier is not None else None
            renewed = {"snapshot": snapshot, "redirects": []}
            yield known.model_copy(update=renewed) if known else _page(raw, snapshot, wiki, kinds)


def _page(raw: RawPage, snapshot: str, wiki: Wiki, kinds: PageKinds) -> Page | Reject:
    row_id = str(raw.page_id)
    if raw.model != "wikitext":
        return reject(snapshot, row_id, Reason.NOT_WIKITEXT, f"{raw.title}: {raw.model}")
    cleaned = clean(raw.text, wiki)
    unwanted = kinds.unwanted(raw.title, cleaned.templates, cleaned.categories)
    if unwanted == "disambiguation" or "__DISAMBIG__" in raw.text:
        return reject(snapshot, row_id, Reason.DISAMBIGUATION, raw.title)
    if unwanted == "lists":
        return reject(snapshot, row_id, Reason.LIST, raw.title)
    if not cleaned.text:
        return reject(snapshot, row_id, Reason.NO_TEXT, raw.title)
    return Page(
        snapshot=snapshot,
        page_id=raw.page_id,
        revision_id=raw.revision_id,
        title=raw.title,
        namespace=raw.namespace,
        redirects=[],
        text=cleaned.text,
        links=cleaned.links,
        lost=cleaned.lost,
        n_chars=len(cleaned.text),
    )


def _redirect_target(raw: RawPage, site: Site, wiki: Wiki) -> str | None:
    """The target with its section; None if the page is not a redirect.

    If the page has an element that names the target, only the section is read from the text. In older schemas the text
    has both. In a dump with such elements, MediaWiki takes a page without one for an article: it is a redirect here
    only if its text has nothing else, since the article would be one line.
    """
    if raw.redirect is None and not raw.text.lstrip().startswith("#"):
        return None
    written = wiki.redirects.match(raw.text)
    if written is None:
        return raw.redirect
    target = decoded(written[1]).strip()
    if raw.redirect:
        return raw.redirect + "".join(target.partition("#")[1:])
    rest = raw.text[written.end() :].partition("]]")[2].lstrip()
    if raw.redirect is None and site.names_redirects and rest and not rest.startswith(("{{", "[[", "<!--", "__")):
        return None
    return target


def _bad_redirect(source: str, target: str, title: str | None) -> Reason | None:
    if title is None:
        return Reason.REDIRECT_OUTSIDE
    if "#" in target:
        return Reason.REDIRECT_TO_SECTION
    return Reason.REDIRECT_TO_ITSELF if title == source else None

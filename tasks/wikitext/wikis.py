"""Differences between the Wikipedias: names of namespaces, prefixes, switches and variants (wikis.yaml), and the
letters that belong to the words of a link (trails.yaml)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from tasks.dumps.xml import Site
from tasks.wikitext.titles import capitalised, folded, is_legal, spaced

_PICTURE = re.compile(r"\.(?:jpe?g|png|svg|gif|tiff?|webp|xcf|djvu|pdf|ogg|ogv|oga|webm|mid|wav)", re.IGNORECASE)
_MEDIA, _ARTICLES, _FILES, _CATEGORIES = -2, 0, 6, 14


@lru_cache(maxsize=1)
def _data() -> dict[str, dict[str, list[str]]]:
    data: dict[str, dict[str, list[str]]] = yaml.safe_load(Path(__file__).with_name("wikis.yaml").read_text("utf-8"))
    return data


@lru_cache(maxsize=1)
def _trails() -> dict[str, Any]:
    trails: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("trails.yaml").read_text("utf-8"))
    return trails


@lru_cache(maxsize=1)
def _files_of_any_wiki() -> frozenset[str]:
    return frozenset(folded(name) for names in _data().values() for name in names.get("files", []))


@dataclass(frozen=True)
class Wiki:
    """The prefixes of link targets, in lower case, by the treatment of the link, and other facts about a wiki."""

    language: str
    files: frozenset[str]
    """The link is not shown."""
    categories: frozenset[str]
    """The link is not shown."""
    outside: frozenset[str]
    """Other namespaces and projects: the words are shown, without a link to an article."""
    languages: frozenset[str]
    """Other wikis of the same project: the link is not shown."""
    switches: frozenset[str]
    """Behaviour switches without their underscores, in lower case."""
    variants: tuple[str, ...]
    """Variants of the language, the preferred first; empty if the wiki does not convert between variants."""
    redirects: re.Pattern[str]
    """The beginning of a redirect's text; its group is the target."""
    trail: str
    """A pattern of the letters behind a link that belong to its words."""
    is_prefixed: bool
    """Whether the letters before a link belong to its words."""
    first_letter: bool

    def article(self, target: str) -> str | None:
        """The title that a decoded target (titles.py) of a link or redirect leads to; None if it is not an article."""
        title = spaced(target.partition("#")[0]).removeprefix(":").strip()
        prefix, colon, rest = title.partition(":")
        if colon and self.is_own(prefix):
            title = rest.strip().removeprefix(":").strip()
            prefix, colon, rest = title.partition(":")
        if colon and self._leads_out(prefix, rest):
            return None
        return self.titled(title) if is_legal(title) else None

    def titled(self, name: str) -> str:
        """A page's name as the wiki writes it."""
        return capitalised(name, self.language) if self.first_letter else name

    def is_file(self, prefix: str, name: str) -> bool:
        """Whether the link is to a file; also true for a picture whose link was copied from another wiki."""
        known = folded(prefix)
        return known in self.files or (known in _files_of_any_wiki() and bool(_PICTURE.search(name)))

    def is_category(self, prefix: str) -> bool:
        return folded(prefix) in self.categories

    def is_language(self, prefix: str) -> bool:
        return folded(prefix) in self.languages

    def is_own(self, prefix: str) -> bool:
        """Whether a prefix names this wiki itself, so that a title of this wiki follows."""
        return folded(prefix) == self.language

    def _leads_out(self, prefix: str, name: str) -> bool:
        return (
            folded(prefix) in self.outside
            or self.is_category(prefix)
            or self.is_language(prefix)
            or self.is_file(prefix, name)
        )

    @cached_property
    def unclosed(self) -> re.Pattern[str]:
        """An unclosed link to a file or a category; it ends with its line, or at a single closing bracket.

        Possessive quantifiers keep a page with many unclosed links linear.
        """
        names = "|".join(sorted(re.escape(name).replace(r"\ ", "[ _]") for name in self.files | self.categories))
        return re.compile(rf"\[\[[ _]*(?:{names})[ _]*:(?:[^\n\[\]]|\[\[?[^\n\[\]]*+\]?)*+\]?", re.IGNORECASE)


def _languages_of(language: str) -> Iterator[str]:
    """The language itself, and the languages whose names its wiki also accepts."""
    yield language
    for other in _data().get(language, {}).get("fallback", []):
        yield from _languages_of(other)


@lru_cache(maxsize=8)
def _wiki(
    language: str, files: frozenset[str], categories: frozenset[str], others: frozenset[str], first_letter: bool
) -> Wiki:
    data, everywhere = _data(), _data()["all"]

    def known(kind: str) -> frozenset[str]:
        sources = [everywhere, *(data.get(name, {}) for name in _languages_of(language))]
        return frozenset(folded(name) for source in sources for name in source.get(kind, []))

    categories |= known("categories")
    files = (files | known("files")) - categories
    words = sorted({word for names in data.values() for word in names.get("redirects", [])})
    trails = {name: letter for letter, names in _trails()["trails"].items() for name in names}
    variants = next((found for name in _languages_of(language) if (found := data.get(name, {}).get("variants"))), [])
    return Wiki(
        language=language,
        files=files,
        categories=categories,
        outside=(known("others") | known("projects") | others) - files - categories,
        languages=frozenset(everywhere["languages"]) - {language},
        switches=known("switches"),
        variants=tuple(variants),
        redirects=re.compile(rf"\s*#\s*(?:{'|'.join(map(re.escape, words))})\s*:?\s*\[\[([^\[\]|]+)", re.IGNORECASE),
        trail=f"{trails.get(language, '[a-z]')}+",
        is_prefixed=language in _trails()["prefixed"],
        first_letter=first_letter,
    )


def wiki_of_site(site: Site, language: str) -> Wiki:
    """The wiki of a dump: its siteinfo names the namespaces, the tables add what siteinfo leaves out."""
    named = {number: folded(name) for number, name in site.namespaces.items()}
    others = frozenset(name for number, name in named.items() if number not in (_ARTICLES, _FILES, _CATEGORIES))
    return _wiki(
        language,
        frozenset({named[_FILES]}) if _FILES in named else frozenset(),
        frozenset({named[_CATEGORIES]}) if _CATEGORIES in named else frozenset(),
        others,
        site.first_letter,
    )

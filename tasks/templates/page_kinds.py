"""Recognises disambiguation pages and lists by title, templates and categories.

Their marks differ from wiki to wiki and are data (page_kinds.yaml); a config can add marks.
"""

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from schemas.corpus_settings import CleaningSettings, PageMarks

Kind = Literal["disambiguation", "lists"]
_MARKS = ("titles", "templates", "categories")


class _Patterns(NamedTuple):
    titles: re.Pattern[str]
    templates: re.Pattern[str]
    categories: re.Pattern[str]

    def match(self, title: str, templates: Iterable[str], categories: Iterable[str]) -> bool:
        return (
            self.titles.fullmatch(_plain(title)) is not None
            or any(map(self.templates.fullmatch, templates))
            or any(self.categories.fullmatch(_plain(category)) for category in categories)
        )


@lru_cache(maxsize=1)
def _data() -> dict[Kind, dict[str, dict[str, list[str]]]]:
    data: dict[Kind, dict[str, dict[str, list[str]]]] = yaml.safe_load(
        Path(__file__).with_name("page_kinds.yaml").read_text("utf-8")
    )
    return data


def disambiguating_templates(language: str) -> list[str]:
    """The disambiguation templates of one wiki. The words that they show belong to no sentence."""
    known = _data()["disambiguation"]
    return [name for wiki in ("all", language) for name in known.get(wiki, {}).get("templates", [])]


class PageKinds:
    """The marks of one wiki, with those that a config adds."""

    def __init__(self, language: str, settings: CleaningSettings) -> None:
        self._disambiguation = _patterns("disambiguation", language, settings.disambiguation)
        self._lists = _patterns("lists", language, settings.lists) if settings.list_pages == "dropped" else None

    def unwanted(self, title: str, templates: Iterable[str], categories: Iterable[str]) -> Kind | None:
        """The kind for which a page is dropped; None for a page that is kept."""
        if self._disambiguation.match(title, templates, categories):
            return "disambiguation"
        return "lists" if self._lists is not None and self._lists.match(title, templates, categories) else None


def _patterns(kind: Kind, language: str, added: PageMarks) -> _Patterns:
    known = _data()[kind]
    sources = [known["all"], known.get(language, {}), added.model_dump()]
    return _Patterns(*(_any_of(name for source in sources for name in source.get(mark, [])) for mark in _MARKS))


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(_plain(name)) for name in names) or "(?!)")


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())

"""What differs between the Wikipedias: names of namespaces, prefixes, letters that a link takes in (wikis.yaml)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from tasks.corpus.xml import Site

_NO_TITLE = re.compile(r"[<>\[\]{}|\n\x02]")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


@lru_cache(maxsize=1)
def _data() -> dict[str, dict[str, list[str] | str]]:
    return yaml.safe_load(Path(__file__).with_name("wikis.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class Wiki:
    """The prefixes of link targets, in lower case, by what becomes of the link."""

    language: str
    dropped: frozenset[str]
    """Files and categories: nothing of the link is shown."""
    categories: frozenset[str]
    outside: frozenset[str]
    """Other namespaces and projects: the words are shown, but they are no link to an article."""
    languages: frozenset[str]
    redirects: re.Pattern[str]
    trail: str
    first_letter: bool

    def article(self, target: str) -> str | None:
        """The title that a link leads to; None where it leads to no article."""
        title = " ".join(target.partition("#")[0].replace("_", " ").split()).removeprefix(":").strip()
        if not title or _NO_TITLE.search(title):
            return None
        if ":" in title and self._leads_out(title.partition(":")[0].strip()):
            return None
        return self.titled(title)

    def titled(self, name: str) -> str:
        """A page's name as the wiki writes it."""
        return name[0].upper() + name[1:] if self.first_letter else name

    def _leads_out(self, prefix: str) -> bool:
        return prefix.lower() in self.outside or prefix.lower() in self.dropped or self.is_language(prefix)

    def is_language(self, prefix: str) -> bool:
        return bool(_LANGUAGE.fullmatch(prefix)) or prefix in self.languages


@lru_cache(maxsize=8)
def _wiki(
    language: str, files: frozenset[str], categories: frozenset[str], others: frozenset[str], first_letter: bool
) -> Wiki:
    everywhere = _data()["all"]
    words = "|".join(map(re.escape, everywhere["redirects"]))
    categories |= frozenset(everywhere["categories"])
    dropped = frozenset(everywhere["files"]) | files | categories
    return Wiki(
        language=language,
        dropped=dropped,
        categories=categories,
        outside=(frozenset(everywhere["projects"]) | others) - dropped,
        languages=frozenset(everywhere["languages"]),
        redirects=re.compile(rf"\s*#\s*(?:{words})\s*:?\s*\[\[([^\[\]|]+)", re.IGNORECASE),
        trail=str({**everywhere, **_data().get(language, {})}["trail"]),
        first_letter=first_letter,
    )


def wiki_of_site(site: Site, language: str) -> Wiki:
    named = {number: frozenset({name.lower()}) for number, name in site.namespaces.items()}
    nothing = frozenset[str]()
    others = frozenset(name.lower() for number, name in site.namespaces.items() if number not in (-2, 0, 6, 14))
    return _wiki(language, named.get(6, nothing), named.get(14, nothing), others, site.first_letter)

"""The tables of differences between the Wikipedias, and the titles that links lead to."""

import re
from pathlib import Path

import pytest
import yaml

from tasks.dumps.repeats import suspected
from tasks.dumps.xml import Site
from tasks.wikitext import wikis
from tasks.wikitext.titles import folded
from tasks.wikitext.wikis import wiki_of_site

TABLES = Path(wikis.__file__).parent
WIKIS = yaml.safe_load((TABLES / "wikis.yaml").read_text("utf-8"))
TRAILS = yaml.safe_load((TABLES / "trails.yaml").read_text("utf-8"))
KINDS = {"files", "categories", "others", "switches", "redirects", "fallback", "variants"}


@pytest.mark.parametrize("language", WIKIS)
def test_names_are_in_lower_case_and_unique(language: str) -> None:
    names = WIKIS[language]
    assert set(names) <= KINDS | ({"projects", "languages"} if language == "all" else set())
    for kind, listed in names.items():
        assert len(listed) == len(set(listed)), kind
        assert all(name == name.lower().strip() for name in listed), kind
        assert kind != "fallback" or set(listed) <= set(WIKIS)


def test_every_wiki_has_one_rule_for_trails() -> None:
    languages = [language for listed in TRAILS["trails"].values() for language in listed]
    assert len(languages) == len(set(languages))
    known = set(WIKIS["all"]["languages"]) | set(WIKIS)
    assert set(languages) | set(TRAILS["prefixed"]) <= known
    assert all(re.compile(letter) for letter in TRAILS["trails"])


def test_siteinfo_adds_its_names_to_those_of_the_tables() -> None:
    site = Site({0: "", 2: "Membro", 6: "Bildo", 14: "Klaso", -2: "Aŭdo"})
    wiki = wiki_of_site(site, "eo")
    assert {"bildo", "dosiero", "image"} <= wiki.files
    assert {"klaso", "kategorio"} <= wiki.categories
    titles = [wiki.article(name) for name in ("Membro:Ann", "Aŭdo:X.ogg", "bildo:X", "Klaso: X", "elmo: X")]
    assert titles == [None, None, None, None, "Elmo: X"]


def test_titles_stay_as_they_are_on_a_wiki_with_case_sensitive_titles() -> None:
    assert wiki_of_site(Site(first_letter=False), "en").article("elm") == "elm"


@pytest.mark.parametrize(
    "name", ["", "#Bark", "..", "./Elm", "Elm/../Oak", "a|b", "a<b", "a\ufffdb", "a%41b", "x" * 256]
)
def test_an_illegal_title_is_not_an_article(name: str) -> None:
    assert wiki_of_site(Site(), "en").article(name) is None


def test_dotted_and_dotless_i_are_one_letter_in_names() -> None:
    assert folded("KULLANICI_mesaj") == folded("Kullanıcı  Mesaj") == folded("kullanici mesaj")


def counts(lowest: int, highest: int, not_rising: int = 0) -> dict[str, int]:
    return {"pages": 1 + highest - lowest, "lowest": lowest, "highest": highest, "not_rising": not_rising}


@pytest.mark.parametrize(
    ("parts", "suspects"),
    [
        ({"a": counts(1, 5), "b": counts(6, 9)}, []),
        ({"a": counts(1, 5), "b": counts(5, 9), "c": counts(10, 12)}, ["a", "b"]),
        ({"a": counts(1, 20), "b": counts(5, 9), "c": counts(10, 12)}, ["a", "b", "c"]),
        ({"a": counts(1, 5), "b": counts(6, 9, not_rising=1)}, ["b"]),
        ({"a": counts(1, 5), "b": {"pages": 0, "lowest": 0, "highest": 0, "not_rising": 0}}, []),
    ],
)
def test_only_parts_whose_page_ids_overlap_or_do_not_rise_are_read_again(
    parts: dict[str, dict[str, int]], suspects: list[str]
) -> None:
    assert suspected(parts) == suspects

"""Disambiguation pages and lists are recognised by the marks of each wiki and of a config."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.corpus_settings import PageMarks, PageSettings
from tasks.corpus.pages import read_pages
from tasks.templates.page_kinds import Kind, PageKinds
from tests.support.dumpfiles import SNAPSHOT, cut, find_dump, page_xml, xml_dump


def unwanted(
    language: str, title: str = "X", template: str = "", category: str = "", **settings: object
) -> Kind | None:
    kinds = PageKinds(language, PageSettings(list_pages="dropped", **settings))
    return kinds.unwanted(title, {template} if template else set(), [category] if category else [])


@pytest.mark.parametrize(
    ("language", "marks"),
    [
        ("en", {"title": "Mercury (disambiguation)"}),
        ("en", {"template": "hndis"}),
        ("en", {"category": "Place name disambiguation pages"}),
        ("zh", {"title": "水星 (消歧義)"}),
        ("zh", {"template": "消歧义"}),
        ("zh", {"category": "中国地名消歧义"}),
        ("de", {"title": "Merkur (Begriffsklärung)"}),
        ("de", {"template": "begriffsklärung"}),
        ("de", {"category": "Begriffsklärung"}),
        ("fr", {"title": "Mercure_(homonymie)"}),
        ("fr", {"template": "homonymie"}),
        ("fr", {"category": "Homonymie de patronyme"}),
        ("es", {"title": "Mercurio (desambiguación)"}),
        ("es", {"template": "desambiguación"}),
        ("es", {"category": "Wikipedia:Desambiguación"}),
        ("ja", {"title": "水星 (曖昧さ回避)"}),
        ("ja", {"template": "aimai"}),
        ("ja", {"category": "人名の曖昧さ回避"}),
        ("sv", {"template": "disambig"}),
    ],
)
def test_a_disambiguation_page_is_recognised_by_title_template_or_category(
    language: str, marks: dict[str, str]
) -> None:
    assert unwanted(language, **marks) == "disambiguation"


@pytest.mark.parametrize(
    ("language", "marks"),
    [
        ("en", {"title": "List of rivers of Europe"}),
        ("en", {"category": "Lists of rivers"}),
        ("zh", {"title": "欧洲河流列表"}),
        ("de", {"title": "Liste der Flüsse in Europa"}),
        ("de", {"category": "Liste (Flüsse)"}),
        ("fr", {"title": "Liste des cours d'eau"}),
        ("es", {"title": "Anexo:Ríos de Europa"}),
        ("ja", {"title": "河川一覧"}),
    ],
)
def test_a_list_is_recognised_by_title_or_category(language: str, marks: dict[str, str]) -> None:
    assert unwanted(language, **marks) == "lists"
    assert PageKinds(language, PageSettings()).unwanted(marks.get("title", "X"), set(), []) is None, "kept by default"


@pytest.mark.parametrize(
    ("language", "title", "template", "category"),
    [
        ("en", "Listed building", "about", "Rivers"),
        ("en", "Disambiguation", "other uses", "Word-sense disambiguation"),
        ("de", "Liste Pim Fortuyn", "begriffsklärungshinweis", "Partei"),
        ("ja", "一覧性", "otheruses", "言葉"),
        ("en", "X", "begriffsklärung", ""),
    ],
)
def test_an_article_is_kept(language: str, title: str, template: str, category: str) -> None:
    assert unwanted(language, title, template, category) is None


def test_a_config_adds_marks(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    marked = [
        page_xml(1, "One", "'''One''' may be.\n{{Which One|x}}"),
        page_xml(2, "Two", "'''Two''' holds all.\n[[Category:Our registers]]"),
        page_xml(3, "Register of three", "'''Three''' of them."),
        page_xml(4, "Four", "'''Four''' is an article. [[:Category:Our registers]]"),
    ]
    path.write_bytes(xml_dump(marked))
    settings = PageSettings(
        disambiguation=PageMarks(templates=["which *"]),
        list_pages="dropped",
        lists=PageMarks(categories=["Our registers"], titles=["register of *"]),
    )
    (part,) = cut(find_dump(str(path)), 1)
    found = [getattr(row, "reason", "kept") for row in read_pages(part, SNAPSHOT, settings)]
    assert found == ["disambiguation", "list", "list", "kept"]


def test_marks_that_would_not_be_used_are_refused() -> None:
    with pytest.raises(ValidationError, match="set list_pages: dropped"):
        PageSettings(lists=PageMarks(titles=["register of *"]))

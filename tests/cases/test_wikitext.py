"""Wikitext and the words that a reader sees: cases of this folder (*.jsonl), and of the shared test data if present."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tasks.dumps.xml import Site
from tasks.wikitext.cleaning import clean
from tasks.wikitext.wikis import wiki_of_site

SITE = Site({0: "", 1: "Talk", 4: "Wikipedia", 6: "File", 14: "Category"})


def _cases() -> list[Any]:
    files = sorted(Path(__file__).parent.glob("*.jsonl"))
    if data := os.environ.get("MASKSEARCH_TEST_DATA"):
        files += sorted((Path(data).parent / "cases").glob("wikitext.jsonl"))
    rows = [(file.stem, json.loads(line)) for file in files for line in file.read_text("utf-8").split("\n") if line]
    return [pytest.param(row, id=f"{name}-{row.get('nr', number)}") for number, (name, row) in enumerate(rows)]


@pytest.mark.parametrize("case", _cases())
def test_a_reader_sees_these_words(case: dict[str, Any]) -> None:
    """``text``: accepted texts; ``links``: targets, or targets and anchors; ``lost``: whether a loss is marked."""
    page = clean(case["wikitext"], wiki_of_site(SITE, case["language"]))
    assert page.text in case["text"]
    assert bool(page.lost) == case["lost"]
    if case["links"] is not None:
        with_anchors = any(isinstance(link, list) for link in case["links"])
        found = [[link.target, link.anchor] if with_anchors else link.target for link in page.links]
        assert found == case["links"]

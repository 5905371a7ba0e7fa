"""Redirects by target, and the redirects column of a part of pages."""

import pyarrow as pa

from schemas.records import Alias, Link, Page, Passage, Redirect
from tasks.corpus.aliases import aliases_around, aliases_of, by_target, with_redirects
from tasks.ledger import storage

SNAPSHOT = "enwiki-20261101"


def redirects(path, *pairs):
    storage.write_rows(path, Redirect, [Redirect(snapshot=SNAPSHOT, title=a, target=b) for a, b in pairs])
    return path


def page(number, title):
    fields = {"snapshot": SNAPSHOT, "revision_id": 1, "namespace": 0, "redirects": [], "links": [], "lost": []}
    return Page(page_id=number, title=title, text="A town.", n_chars=7, **fields)


def test_titles_that_lead_to_a_page_are_gathered_over_all_parts_in_order(tmp_path):
    one = redirects(str(tmp_path / "1.parquet"), ("O. town", "Old town"), ("Újváros", "New town"))
    other = redirects(str(tmp_path / "2.parquet"), ("Ancient town", "Old town"))
    none = redirects(str(tmp_path / "3.parquet"))
    expected = [("New town", ["Újváros"]), ("Old town", ["Ancient town", "O. town"])]
    assert list(by_target([one, other, none])) == expected == list(by_target([other, none, one]))
    assert list(by_target([none])) == []


def test_a_part_of_pages_gets_the_redirects_that_lead_to_its_own(tmp_path):
    table = str(tmp_path / "aliases.parquet")
    titles = [("New town", ["Newton"]), ("Old town", ["Ancient town", "O. town"]), ("Other", ["Else"])]
    storage.write_rows(table, Alias, [Alias(snapshot=SNAPSHOT, title=t, redirects=r) for t, r in titles])
    path = str(tmp_path / "pages.parquet")
    pages = [page(1, "Old town"), page(2, "Far land"), page(3, "New town")]
    filled = with_redirects([table], storage.gathered(Page, pages))
    storage.write_bytes(path, storage.parquet_bytes(filled))
    read = list(storage.read_rows(path, Page))
    assert [row.redirects for row in read] == [["Ancient town", "O. town"], [], ["Newton"]]
    assert [row.model_copy(update={"redirects": []}) for row in read] == pages
    assert aliases_of([table], pa.array(["Other", "Nowhere", "Other"])) == {"Other": ["Else"]}


def test_a_part_of_passages_looks_up_its_pages_and_their_link_targets_by_any_title(tmp_path):
    table, path = str(tmp_path / "aliases.parquet"), str(tmp_path / "passages.parquet")
    titles = [("Far land", ["Farland"]), ("Old town", ["O. town"]), ("Other", ["Else"]), ("Third", ["III", "3rd"])]
    storage.write_rows(table, Alias, [Alias(snapshot=SNAPSHOT, title=t, redirects=r) for t, r in titles])
    links = [Link(start=0, end=1, target=target, anchor="A") for target in ("Far land", "3rd", "Nowhere")]
    fields = {"snapshot": SNAPSHOT, "revision_id": 1, "section": "", "lost": [], "n_words": 2}
    rows = [
        Passage(passage_id="1-0", page_id=1, title="Old town", text="A town.", links=links, **fields),
        Passage(passage_id="1-1", page_id=1, title="Old town", text="A town.", links=[], **fields),
    ]
    storage.write_rows(path, Passage, rows)
    around = {"Far land": ["Farland"], "Old town": ["O. town"], "Third": ["III", "3rd"]}
    assert aliases_around(path, [table]) == around

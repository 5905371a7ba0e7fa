"""Facts that differ between two snapshots: found by sentence, and answerable only with the later index."""

import bz2
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree

from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings, PassageSettings, RampSettings, WorldSettings
from schemas.records import Page, Split
from schemas.settings import AgentSettings
from tasks.corpus.pages import read_pages
from tasks.corpus.passages import passages_of
from tasks.corpus.smallworld import write_world
from tasks.dumps.dumps import cut, find_dump
from tasks.ramp.changes import answerable_now, changes_of_page
from tasks.ramp.evidence import certify
from tasks.ramp.questions import changed_question
from tasks.ramp.splits import Splits
from tests.tasks.ramp.examples import WordSearcher, passage_of

BEFORE, NOW = "smallworld-20260101", "smallworld-20260201"


def changes(before, now, language="en"):
    old = [passage_of(text).model_copy(update={"revision_id": 70}) for text in before]
    new = [passage_of(text).model_copy(update={"revision_id": 71}) for text in now]
    return [(change.old, change.new) for _, _, change in changes_of_page(old, new, {}, language)]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ("It has 4,512 people. It is old.", "It has 4,777 people. It is old.", [("4,512", "4,777")]),
        ("The mayor is [[Karlo Vint]].", "The mayor is [[Sal Morvis]].", [("Karlo Vint", "Sal Morvis")]),
        ("The mayor is Karlo Vint of Ostel.", "The mayor is [[Sal Morvis]].", [("Karlo Vint of Ostel", "Sal Morvis")]),
        ("It has 4,512 people, all told.", "It has now 4,777 people, all told.", []),
        ("It has 4,512 people. It is old.", "It is old. It has 4,512 people.", []),
        ("It has 4,512 people in 12 towns.", "It has 4,777 people in 13 towns.", []),
        ("It has many people.", "It has 4,777 people.", []),
        ("It has 4,512 people.", "It has 4,512 people. It fell in 1931.", []),
    ],
)
def test_a_span_replaced_in_an_otherwise_equal_sentence_has_changed(before, now, found):
    assert changes([before], [now]) == found


def test_a_sentence_may_move_to_another_paragraph_and_an_equal_revision_has_no_change():
    assert changes(["One. It has 4,512 people.", "Two."], ["One.", "Two. It has 4,777 people."]) == [("4,512", "4,777")]
    same = [passage_of("It has 4,512 people.")]
    assert list(changes_of_page(same, same, {}, "en")) == []


def test_chinese_facts_change_too():
    assert changes(["他于1931年在那里去世。"], ["他于1932年在那里去世。"], "zh") == [("1931年", "1932年")]


def test_changes_of_the_small_world_are_answerable_only_with_the_later_index(tmp_path: Path):
    world = WorldSettings(families={Split.TRAIN: 1}, retellings=8)
    found = {}
    for name, edits in ((BEFORE, 0.0), (NOW, 0.4)):
        write_world(world.model_copy(update={"edits": edits}), name, str(tmp_path / name))
        pages = [page for part in cut(find_dump(str(tmp_path / name)), 16) for page in read_pages(part, name)]
        found[name] = {
            page.page_id: list(passages_of(page, PassageSettings())) for page in pages if isinstance(page, Page)
        }
        rows = [(row.passage_id, row.title, row.text) for passages in found[name].values() for row in passages]
        build_index(rows, str(tmp_path / f"index-{name}"), IndexSettings())
    settings = RampSettings(show_title=False, evidence_hits=2)
    splits = Splits.of(settings, str(tmp_path / NOW))
    questions = [
        changed_question(passage, span, change, {}, splits, settings, "en")
        for page_id, passages in found[NOW].items()
        if passages[0].title.startswith("Chronicle ")
        for passage, span, change in changes_of_page(found[BEFORE][page_id], passages, {}, "en")
    ]
    assert len(questions) > 10
    agent = AgentSettings(hits=2, hold_back="page")
    for name, share in ((NOW, 0.95), (BEFORE, 0.0)):
        certified = certify(questions, open_index(str(tmp_path / f"index-{name}")), settings, agent)
        proven = sum(question.masks[0].evidence is not None for question in certified) / len(questions)
        assert proven >= share if share else proven == 0, name
    for question in questions:
        assert question.change is not None
        assert (question.source, question.n_masks) == ("changed", 1)
        assert question.gold == [question.change.new]
        assert question.change.old != question.change.new
        assert question.change.old_snapshot == BEFORE
        assert question.change.new_revision_id == question.revision_id != question.change.old_revision_id


def test_a_question_that_the_earlier_index_also_answers_is_rejected():
    passage = passage_of("Vint Works opened in 1931 with a fair.", "Chronicle 9").model_copy(update={"revision_id": 71})
    before = passage_of("Vint Works opened in 1930 with a fair.", "Chronicle 9")
    ((now, span, change),) = changes_of_page([before], [passage], {}, "en")
    settings, agent = RampSettings(show_title=False), AgentSettings(hold_back="page")
    question = changed_question(now, span, change, {}, Splits({7: Split.TRAIN}, 0), settings, "en")
    passages = [("1-0", "Vint Works", "Vint Works is a maker of boats. It opened in 1931.")]
    (known,) = certify([question], WordSearcher(passages), settings, agent)
    (unknown,) = certify([question], WordSearcher([]), settings, agent)
    assert answerable_now([known], [unknown]) == ([known], [])
    rows, (reject,) = answerable_now([known], [known])
    assert (rows, reject.row_id, reject.reason, reject.detail) == ([], question.question_id, "known_before", "1-0")


def test_real_revisions_that_only_move_marks_around_have_changed_no_fact(test_data: Path, tmp_path: Path):
    """One page of the shared exports has several revisions with prose; only their links and categories differ."""
    revisions = list(_revisions(test_data / "wiki" / "pywikibot-xml" / "article-pear.xml", tmp_path))
    assert len({passages[0].revision_id for passages in revisions}) == 4
    for older, newer in pairwise(revisions):
        assert [change for _, _, change in changes_of_page(older, newer, {}, "en")] == []


def _revisions(path: Path, folder: Path):
    """The passages of each revision of an export's first page, oldest first: one dump per revision."""
    tree = etree.parse(str(path))
    (space,) = {element.tag.partition("}")[0] + "}" for element in [tree.getroot()]}
    page = tree.getroot().find(f"{space}page")
    ids = sorted(int(revision.findtext(f"{space}id")) for revision in page.findall(f"{space}revision"))
    for number in ids:
        one = etree.parse(str(path))
        for other in one.getroot().findall(f"{space}page")[1:]:
            one.getroot().remove(other)
        kept = one.getroot().find(f"{space}page")
        for revision in kept.findall(f"{space}revision"):
            if int(revision.findtext(f"{space}id")) != number:
                kept.remove(revision)
        target = folder / f"{number}.xml.bz2"
        target.write_bytes(bz2.compress(etree.tostring(one)))
        rows = [row for part in cut(find_dump(str(target)), 16) for row in read_pages(part, "enwiki-20260101")]
        yield [passage for row in rows if isinstance(row, Page) for passage in passages_of(row, PassageSettings())]

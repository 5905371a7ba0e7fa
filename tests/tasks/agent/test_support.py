"""Which supporting passages a search has shown: by title, and by text where the set gives it."""

import pytest

from retrieval_index.hits import Hit
from schemas.records import Support
from tasks.agent.environment import search_of
from tasks.agent.support import support_among, support_recall
from tests.support.examples import qa_question

TEXT = "Kalo is a town on the river Tovi. It was founded in 1923 by Arlen Brom, who was its first mayor."
OTHER = "Kalo has a football club, which plays in the old stadium beside the mill and has won the cup twice."


def hit(title: str, text: str, passage_id: str = "1-0") -> Hit:
    return Hit(passage_id, 1.0, title, text)


@pytest.mark.parametrize(
    ("support", "shown", "expected"),
    [
        (Support(title="Kalo", text=None), hit("Kalo", OTHER), True),
        (Support(title="Kalo", text=None), hit("Kalo (river)", TEXT), False),
        (Support(title="Simon &amp; Kalo_Brom", text=None), hit("Simon & Kalo brom", TEXT), True),
        (Support(title="Kalo", text=TEXT), hit("Kalo", TEXT), True),
        (Support(title="Kalo", text=TEXT), hit("Kalo", OTHER), False),
        (Support(title="Kalo", text=TEXT), hit("Kalo", TEXT.partition(", who")[0]), True),  # cut to fit
        (Support(title="Kalo", text=TEXT), hit("Kalo", TEXT.replace("1923", "1924")), True),  # of a later dump
        (Support(title="Kalo", text=TEXT), hit("Tovi", TEXT), False),
        (Support(title="Kalo", text="Kalo."), hit("Kalo", "Kalo"), True),
        (Support(title="Kalo", text="Kalo."), hit("Kalo", "Tovi"), False),
        (Support(title="北京", text="北京是中国的首都。"), hit("北京", "北京是中国的首都，人口众多。"), True),
    ],
)
def test_a_passage_is_a_supporting_one_by_title_and_text(support: Support, shown: Hit, expected: bool) -> None:
    assert support_among([shown], [support]) == ([0] if expected else [])


def test_the_recall_of_all_searches_counts_each_passage_once() -> None:
    supports = [Support(title=title, text=None) for title in ("Kalo", "Tovi", "Osk")]
    question = qa_question(["x"], [[]]).model_copy(update={"support": supports})
    shown = [[hit("Osk", "a"), hit("Kalo", "b")], [hit("Kalo", "b")], None, []]
    searches = [search_of(["q"], hits, question) for hits in shown]
    assert [search.support for search in searches] == [[0, 2], [0], [], []]
    assert support_recall(supports, searches) == pytest.approx(2 / 3)
    assert support_recall(supports, []) == 0
    assert support_recall([], searches) is None, "the set names no passages"

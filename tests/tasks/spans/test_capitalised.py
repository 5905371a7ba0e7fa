"""Names by their capitals, in passages that have no links."""

import pytest

from schemas.corpus_settings import CapitalisedSpans
from schemas.records import Passage, SpanKind
from tasks.spans.backends import span_backend_of
from tests.tasks.ramp.examples import passage_of

OTHER = "The town of Ostel had Karlo Vint as its mayor, and the Vint Bank as well."


def named(text: str, *others: str, language: str = "en", titles: tuple[str, ...] = ()) -> dict[str, str]:
    """The spans of a text by their kind, after a look at it and at other passages."""
    backend = span_backend_of(CapitalisedSpans(), language)
    passages: list[Passage] = [passage_of(text), *map(passage_of, others)]
    passages += [passage_of("A page.", title=title) for title in titles]
    backend.look_at(passages)
    (proposals,) = backend.proposals([passages[0]])
    return {span.surface: SpanKind(span.kind).value for span in proposals.spans}


def test_names_that_other_passages_have_dates_and_numbers_are_named() -> None:
    text = "In 1931 Karlo Vint sold 12,500 boats in Ostel to Mera Tonn."
    assert named(text, OTHER) == {"1931": "date", "Karlo Vint": "entity", "12,500": "number", "Ostel": "entity"}


def test_a_title_is_a_name_without_a_second_passage() -> None:
    text = "They sold boats to Mera Tonn there."
    assert named(text) == {}
    assert named(text, titles=("Mera Tonn (banker)",)) == {"Mera Tonn": "entity"}


@pytest.mark.parametrize(
    "text",
    [
        "Boats were sold. Ostel did it.",  # a sentence begins
        "He was an Ostel banker for years.",
        "They saw a Karlo Vint film there.",
        "It won at the 1936 Vint Bank then.",
        "They flew in Ostel 747 there.",
        "The firm of Ostel. and sons was old.",
    ],
)
def test_what_only_looks_like_a_name_is_left_out(text: str) -> None:
    assert "entity" not in named(text, OTHER, OTHER).values()


def test_a_longer_run_at_the_beginning_of_a_sentence_may_lose_its_first_word() -> None:
    assert named("Mayor Karlo Vint sold it.", OTHER, OTHER) == {"Karlo Vint": "entity"}


def test_one_capitalised_word_of_german_is_a_term_and_only_if_it_is_a_title() -> None:
    text = "Der Ort hat einen Hafen, den Karlo Vint mit viel Mut baute."
    others = ("Ein Hafen und viel Mut und auch Karlo Vint.",) * 2
    assert named(text, *others, language="de") == {"Karlo Vint": "entity"}
    assert named(text, *others, language="de", titles=("Hafen",)) == {"Hafen": "term", "Karlo Vint": "entity"}


def test_without_capitals_only_dates_and_numbers_are_named() -> None:
    assert named("北京在1949年10月1日有12,500人。", "北京在那里。", language="zh") == {
        "1949": "number",  # within the date, and thus never masked: of overlapping spans the longest stays
        "1949年10月1日": "date",
        "12,500": "number",
    }

"""Properties of every masked paragraph."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import SpanKind
from tasks.corpus.words import is_whole
from tasks.ramp.masking import can_be_masked, choose_spans, drawn_by_weight, hardest_first, mask
from tasks.spans.spans import Span, find_spans
from tests.tasks.ramp.examples import passage_of

NAMES = ["Ostel", "Karlo Vint", "Brim and Sons", "Łódź", "Santa Maria del Mar", "O'Hara", "奥斯特尔", "Zoë"]
AMOUNTS = ["1,234", "1931", "12 May 1867", "45%", "$3 million", "678"]
FILLERS = ["came to", "then", "was, after all,", "and so (it seems)", "without"]


@st.composite
def paragraphs(draw):
    """Wikitext with some links, dates and numbers, each at most once."""
    things = draw(st.lists(st.sampled_from(NAMES + AMOUNTS), min_size=1, max_size=9, unique=True))
    pieces = []
    for thing in things:
        pieces += [f"[[{thing}]]" if thing in NAMES else thing, draw(st.sampled_from(FILLERS))]
    return passage_of("Once " + " ".join(pieces) + " it ended.")


@given(paragraphs(), st.integers(1, 4), st.integers(0, 99))
def test_masks_are_whole_distinct_and_give_the_paragraph_back_when_filled_in(passage, n, seed):
    spans = find_spans(passage, {}, "en")
    chosen = choose_spans(passage.text, drawn_by_weight(spans, str(seed)), n, max_share=0.6)
    if chosen is None:
        return
    masked = mask(passage.text, chosen)
    assert len({(span.start, span.end) for span in chosen}) == n == masked.count("[mask]")
    gaps = masked.split("[mask]")
    assert gaps[0] + "".join(span.surface + gap for span, gap in zip(chosen, gaps[1:], strict=True)) == passage.text
    for span in chosen:
        assert passage.text[span.start : span.end] == span.surface
        assert is_whole(passage.text, span.start, span.end)
        assert span.surface.casefold() not in masked.casefold().split()
    assert sum(len(span.surface) for span in chosen) <= 0.6 * len(passage.text)
    assert all(gap.strip() for gap in gaps[1:-1]), (
        "the answers of two masks without text between them could be exchanged"
    )
    assert chosen == choose_spans(passage.text, drawn_by_weight(spans, str(seed)), n, max_share=0.6)


def spans_in(text, surfaces):
    return [Span(text.index(s), text.index(s) + len(s), s, SpanKind.ENTITY, None) for s in surfaces]


def test_long_names_and_digits_are_drawn_more_often():
    text = "Ostel was then, by all means, Santa Maria del Mar since 1931 or so."
    spans = spans_in(text, ["Ostel", "Santa Maria del Mar", "1931"])
    drawn = Counter(drawn_by_weight(spans, str(number))[0].surface for number in range(1200))
    # Weights 1, 4 and (digits: the largest) 4.
    assert drawn["Ostel"] / 1200 == pytest.approx(1 / 9, abs=0.03)
    assert drawn["Santa Maria del Mar"] / 1200 == pytest.approx(4 / 9, abs=0.04)
    assert drawn["1931"] / 1200 == pytest.approx(4 / 9, abs=0.04)


def test_a_paragraph_with_too_few_fitting_spans_gets_no_masks():
    text = "Santa Maria del Mar was Ostel."
    spans = spans_in(text, ["Santa Maria del Mar", "Ostel"])
    assert choose_spans(text, spans, 3, max_share=1) is None
    assert choose_spans(text, spans, 2, max_share=0.5) is None
    assert choose_spans("Paris France", spans_in("Paris France", ["Paris", "France"]), 2, max_share=1) is None


@pytest.mark.parametrize(
    "text", ["a [mask] here", "a [MASK] here", "an <answer> here", "an </ Search > here", "(Pashto |A)"]
)
def test_text_that_looks_like_a_mask_or_a_tag_is_refused(text):
    assert not can_be_masked(text)
    assert can_be_masked("a < b and [1] here")


def test_two_terms_of_one_sentence_are_not_masked_together():
    text = "The weakly acidic ammonium chloride comes from hydrogen chloride there. It burns in nitrous oxide."
    spans = spans_in(text, ["ammonium chloride", "hydrogen chloride", "nitrous oxide"])
    one, two, far = (replace(span, kind=SpanKind.TERM) for span in spans)
    assert choose_spans(text, [one, two], 2, max_share=1) is None
    assert choose_spans(text, [one, two, far], 2, max_share=1) == [one, far]


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("There stand Karlo Castle in Ostel, a bridge and more.", False),
        ("The richest areas include Karlo Castle off the old coast, the green shelf, Ostel off the new coast.", False),
        ("There Karlo Castle was sold to Ostel.", True),
        ("They were led to Karlo Castle by a smith, and he took Ostel.", True),
        ("The richest areas include Karlo Castle. There is a shelf, Ostel, too.", True),
    ],
)
def test_a_name_and_its_place_or_two_members_of_an_open_list_are_not_masked_together(text, together):
    spans = spans_in(text, ["Karlo Castle", "Ostel"])
    assert (choose_spans(text, spans, 2, max_share=1) is not None) == together


def test_the_hardest_spans_come_first_and_unweighed_spans_are_left_out():
    text = "Ostel was then, by all means, Santa Maria del Mar since 1931 or so."
    ostel, santa, year = spans_in(text, ["Ostel", "Santa Maria del Mar", "1931"])
    assert hardest_first([ostel, santa, year], {ostel: 4.5, year: 9.0}) == [year, ostel]
    assert choose_spans(text, hardest_first([ostel, year], {ostel: 4.5, year: 9.0}), 1, max_share=1) == [year]

"""Golden cases of alignment, the adversarial ones first to break, and what must hold of any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.agent.alignment import align

TEXT = "Arlen Brom was born in [mask] in the year [mask]. He worked at [mask] of Kell and died in [mask]."
RIGHT = "Arlen Brom was born in Great Tolm in the year 1923. He worked at the Mill of Kell and died in Osk."


@pytest.mark.parametrize(
    ("masked_text", "answer", "expected"),
    [
        pytest.param(TEXT, RIGHT, ["Great Tolm", "1923", "the Mill", "Osk"], id="a perfect copy"),
        pytest.param(
            TEXT,
            "So: Arlen Brm was born in Great Tolm in year 1923. He workd at the Mill of Kel and died in Osk. Done.",
            ["Great Tolm", "1923", "the Mill", "Osk"],
            id="slips, a dropped word, talk around",
        ),
        pytest.param(TEXT, "", [None] * 4, id="empty answer"),
        pytest.param(TEXT, "Great Tolm, 1923, the Mill, Osk", [None] * 4, id="only the spans"),
        pytest.param(TEXT, "I do not know the answer to that.", [None] * 4, id="something else"),
        pytest.param(TEXT, TEXT, [""] * 4, id="nothing filled in"),
        pytest.param(
            TEXT, RIGHT.replace("Great Tolm", "[mask]"), ["", "1923", "the Mill", "Osk"], id="one mask left in"
        ),
        pytest.param(
            "[mask] is the capital of [mask]",
            "Paris is the capital of France",
            ["Paris", "France"],
            id="masks at both ends",
        ),
        pytest.param("The river [mask] flows", "The river flows", [""], id="a mask left out"),
        pytest.param("the [mask] river flows", "the Great Bend flows", ["Great Bend"], id="the word behind left out"),
        pytest.param("[mask], [mask] is here", "Paris, France is here", ["Paris", "France"], id="a comma between"),
        pytest.param(
            "[mask] [mask] is here", "Paris France is here", ["Paris", "France"], id="neighbours, a word each"
        ),
        pytest.param("[mask] [mask] is here", "Paris in France is here", [None, None], id="neighbours, no telling"),
        pytest.param("[mask] [mask] is here", "Paris [mask] is here", ["Paris", ""], id="neighbours, one left in"),
        pytest.param(
            "born in [mask] in the town in [mask] in May",
            "born in Osk in the town in Kell in May",
            ["Osk", "Kell"],
            id="fragments that repeat",
        ),
        pytest.param(
            "[mask] of England met [mask] of France",
            "King of Spain of England met Queen of France",
            ["King of Spain", "Queen"],
            id="a filling that repeats a fragment",
        ),
        pytest.param(
            "The capital is [mask] today.",
            "The capital is Paris or Rome or Bern today.",
            ["Paris or Rome or Bern"],
            id="candidates",
        ),
        pytest.param(
            "The capital is [mask].",
            "The capital is [mask]. The capital is Rome. The capital is Bern.",
            ["Bern"],
            id="said three times, read where it is said last",
        ),
        pytest.param(
            "他出生于[mask]的[mask]，是一名[mask]。",
            "好的：他出生于法国的巴黎，是一名画家。",
            ["法国", "巴黎", "画家"],
            id="Chinese, talk in front",
        ),
        pytest.param("No mask here.", "No mask here.", [], id="no mask"),
    ],
)
def test_places(masked_text: str, answer: str, expected: list[str | None]) -> None:
    assert align(masked_text, answer) == expected


def test_an_answer_cut_short_tells_of_the_places_it_reached() -> None:
    text = "He was born in Kell in the year [mask] and died in [mask]."
    assert align(text, "He was born in Kell in the year 1923 and") == ["1923", ""]


def test_masks_whose_context_between_is_gone_are_not_told_apart() -> None:
    text = "He was born in the old town of Kell near [mask] beside [mask] and died there in May."
    assert align(text, "He was born in the old town of Kell near Great Osk Brom and died there in May.") == [None, None]


CONTEXT = st.lists(
    st.sampled_from(["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", ",", "."]), min_size=1, max_size=8
)
FILLING = st.lists(st.sampled_from(["Brom", "Osk", "1923", "Kell", "Tolm", "II"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(CONTEXT, FILLING), min_size=1, max_size=4), CONTEXT)
def test_fillings_between_words_of_the_text_are_found_whatever_they_are(
    pieces: list[tuple[list[str], list[str]]], tail: list[str]
) -> None:
    masked = " ".join([word for context, _ in pieces for word in [*context, "[mask]"]] + tail)
    filled = " ".join([word for context, filling in pieces for word in [*context, *filling]] + tail)
    assert align(masked, filled) == [" ".join(filling) for _, filling in pieces]


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_gives_one_filling_a_mask(masked_text: str, answer: str) -> None:
    fillings = align(f"{masked_text} [mask] and [mask]", answer)
    assert len(fillings) == masked_text.count("[mask]") + 2
    assert all(filling is None or filling in answer for filling in fillings)

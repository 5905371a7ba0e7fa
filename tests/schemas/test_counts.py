"""Counts are written as people write them."""

from schemas.counts import counted


def test_one_is_singular_and_all_other_counts_are_plural() -> None:
    assert [counted(number, "question") for number in (0, 1, 2, 1023)] == [
        *("0 questions", "1 question", "2 questions", "1,023 questions")
    ]

"""Word boundaries, and names in running text."""

import pytest

from tasks.corpus.words import is_whole, main_words, names_in, occurrences


@pytest.mark.parametrize(
    ("text", "surface", "whole"),
    [
        ("In 1984 it fell.", "1984", True),
        ("In 19842 it fell.", "1984", False),
        ("A Swedish-born king.", "Swedish", False),
        ("It cost 1,198 crowns.", "198", False),
        ("Einstein's theory.", "Einstein", True),
        ("O'Brien sang.", "Brien", False),
        ("the Paris–Rouen line", "Paris", False),
        ("他在北京大学学习", "北京", True),
        ("1998年的奥运会", "1998年", True),
        ("(Rome)", "Rome", True),
    ],
)
def test_whole_words(text, surface, whole):
    start = text.index(surface)
    assert is_whole(text, start, start + len(surface)) is whole


def test_an_occurrence_counts_in_any_case_and_within_compounds_but_not_within_words():
    assert occurrences("The Swedish king, swedish-born, met Swedishers.", "Swedish") == 2
    assert occurrences("北京大学在北京", "北京") == 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("In Ostel, Karlo Vint founded the Bank of Ostel.", ["Ostel", "Karlo Vint", "Bank of Ostel"]),
        ("However, it was Einstein's Theory of Relativity.", ["Einstein", "Theory of Relativity"]),
        ("On 12 March 1998, J. R. R. Tolkien spoke.", ["J. R. R. Tolkien"]),
        ("The king of the Franks. He ruled.", ["Franks"]),
        ("It was founded by \x00\x00\x00 Works.", ["Works"]),
        ("他在北京。", []),
    ],
)
def test_names(text, names):
    found = names_in(text, "en")
    assert [name.surface for name in found] == names
    assert all(text[name.start : name.end] == name.surface for name in found)


def test_main_words_leave_out_the_disambiguation():
    assert main_words("The Battle of Ostel (1802)", "en") == {"battle", "ostel"}

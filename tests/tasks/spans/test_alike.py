"""Names that other names of the text reveal."""

import pytest

from tasks.spans.alike import is_revealed_by_other_name


@pytest.mark.parametrize(
    ("surface", "rest", "revealed"),
    [
        ("Tarn River", "The Tarn District is old.", True),
        ("Lake Tarn", "It lies by Tarn.", True),
        ("the Tarn River", "The Tarns are hills.", True),
        ("Tarn River", "The river is old.", False),
        ("Tarn Ostel", "The Tarn District is old.", False),
        ("Bank of Ostel Tarn", "It is in Ostel.", False),
        ("AFC West", "It is older than the AFC North and the AFC East.", True),
        ("AFC West", "It is older than the NFC North.", False),
        ("Second Ostel War", "The First Ostel War was lost.", True),
        ("World War II", "World War I was lost.", True),
        ("Zweiten Weltkrieg", "Der Erste Weltkrieg war verloren.", True),
        ("Southern Alps", "He came from the north.", False),
        ("North", "It is in the South.", False),
        ("2006 US Open", "He plays the US Open again.", True),
        ("2006 US Open", "He plays golf again.", False),
    ],
)
def test_a_name_is_revealed_by_a_similar_name(surface, rest, revealed):
    assert is_revealed_by_other_name(surface, rest, "en") == revealed

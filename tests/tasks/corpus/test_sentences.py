"""Sentences of several languages, with stops that do not end a sentence."""

import pytest

from tasks.corpus.sentences import sentences


def split(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in sentences(text, language)]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["Dr. J. K. Rowling met Mr. Smith at St. Mary's.", "They spoke, e.g. about U.S. President Ford."]),
        ("en", ["He was ranked no. 2 at 3 p.m. UTC, near 400 B.C.", "The next began later, etc.", "A third came."]),
        ("en", ["It was made in the U.S.", "It sold well."]),
        ("en", ["He took vitamin C.", "She did not."]),
        ("en", ['He said "No."', "Then he left (slowly).", "Why?", "Nobody knows!"]),
        ("en", ['"We are not enemies . . . but friends."', "So it ended."]),
        ("en", ["Version 2.5 costs 3.50 dollars.", "In 1990 it was free."]),
        ("de", ["Am 3. Oktober 1990 kam König Friedrich II. nach Berlin.", "Er blieb z. B. bis zum 150. Todestag."]),
        ("de", ["Das war 1990.", "Danach kam nichts."]),
        ("zh", ["柏林在1237年建成。", "他说：“你好。再见！”", "谁知道？"]),
        ("ja", ["東京（とうきょう。首都）は大きい。", "人口は多い。"]),
    ],
)
def test_each_sentence_is_found(language: str, expected: list[str]) -> None:
    joint = "" if language in ("zh", "ja") else " "
    assert split(joint.join(expected), language) == expected


def test_offsets_cover_all_but_the_spaces_between() -> None:
    text = "  One 𝔘nicode sentence.   Two. "
    assert [text[start:end] for start, end in sentences(text, "en")] == ["One 𝔘nicode sentence.", "Two."]
    assert sentences("", "en") == [] and sentences("   ", "en") == []


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest() -> None:
    text = "他说：“你好。" + "这是一个句子。" * 100
    assert len(split(text, "zh")) > 40

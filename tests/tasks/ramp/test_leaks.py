"""Text that stands in an evaluation set is found, whatever its marks and case, and not trained on."""

import pytest
from pydantic import ValidationError

from schemas.corpus_settings import LeakSettings
from schemas.records import LeakGram, Question, Reject, Split
from tasks.ramp.leaks import SHARED, LeakTable, grams_of, grams_of_held, keys_of, without_leaks
from tasks.sets.datasets import SetText
from tests.support.examples import qa_question, ramp_question

SETTINGS = LeakSettings(sets=["a.json"], words=10, fewest_words=6)
PASSAGE = "Vint Works was founded by Karlo Brim in the year 1931, and later moved to the town of Ostel by the sea."
QUESTION = "Which maker of boats did Karlo Brim found?"


def table(**texts) -> LeakTable:
    rows = [
        LeakGram(snapshot="testwiki-20260101", words=length, hash=gram, source=source)
        for source, text in texts.items()
        for length, gram in grams_of([SetText("evidence", text)], SETTINGS)
    ]
    return LeakTable(rows)


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        (f"It is known that {PASSAGE} That is all.", ("hotpot", 10)),
        ("He told: FOUNDED BY KARLO BRIM IN YEAR 1931 AND LATER MOVED!", ("hotpot", 10)),
        (
            "They say it was founded by Karlo Brim in about the year 1931, and later it moved to the town of Ostel.",
            None,
        ),
        ("He asked: which maker of boats did Karlo Brim found? Nobody knew.", ("bamboogle", 8)),
        ("He asked which maker of boats Karlo Brim did found.", None),
        ("", None),
    ],
)
def test_a_long_run_of_words_is_a_leak_and_a_short_question_counts_whole(text, leak):
    assert table(hotpot=PASSAGE, bamboogle=QUESTION).leak_in(text) == leak


def test_too_short_a_question_is_anybodys():
    assert list(grams_of([SetText("question", "Who founded Vint Works?")], SETTINGS)) == []


def test_chinese_is_compared_by_characters():
    found = table(zh="卡洛布里姆于1931年在奥斯特尔创办了公司")
    assert found.leak_in("据说，卡洛布里姆于1931年在奥斯特尔创办。") == ("zh", 10)
    assert found.leak_in("据说，卡洛布里姆在奥斯特尔。") is None


def test_what_would_be_trained_on_is_rejected_with_the_set_and_what_is_for_tests_stays():
    question = ramp_question(PASSAGE, ["Ostel"])
    rows = [question.model_copy(update={"split": split, "question_id": split.value}) for split in Split]
    clean = ramp_question("Nothing of it stands here, in no set at all, whoever may look for it.", ["set"])
    found = list(without_leaks([*rows, clean.model_copy(update={"split": Split.TRAIN})], table(hotpot=PASSAGE)))
    rejected = [row for row in found if isinstance(row, Reject)]
    assert {row.row_id for row in rejected} == {"train", "rl"}
    assert {(row.reason, row.detail, row.failed) for row in rejected} == {("leaks", "hotpot: 10 words", False)}
    assert [row.split for row in found if isinstance(row, Question)] == ["dev", "test", "train"]


def test_the_paragraph_is_looked_at_and_not_its_title():
    question = ramp_question("Nothing of it stands here, in no set at all, whoever may look for it.", ["set"])
    titled = question.model_copy(update={"split": Split.TRAIN, "title": QUESTION})
    assert list(without_leaks([titled], table(bamboogle=QUESTION))) == [titled]
    asked = titled.model_copy(update={"text": None, "prompt": QUESTION})
    (rejected,) = without_leaks([asked], table(bamboogle=QUESTION))
    assert rejected.reason == "leaks"


def test_runs_that_could_not_be_are_refused():
    with pytest.raises(ValidationError, match="fewest_words is more than words"):
        LeakSettings(sets=["a.json"], words=6)


def asked(prompt: str, **fields) -> Question:
    return qa_question(["Ostel"], [[]]).model_copy(update={"prompt": prompt, "split": Split.TRAIN, **fields})


def held_table(*texts: SetText, evidence: bool = False) -> LeakTable:
    settings = SETTINGS.model_copy(update={"evidence": evidence})
    grams = [*grams_of_held(texts, settings, "en"), *keys_of(texts, "en")]
    return LeakTable(
        LeakGram(snapshot="testwiki-20260101", words=length, hash=gram, source="quiz") for length, gram in grams
    )


@pytest.mark.parametrize(
    ("prompt", "leak"),
    [
        ("Where was Karlo Brim born?", "quiz: the same question"),
        ("where was  KARLO BRIM born", "quiz: the same question"),
        ("Where was Anna Brim born?", None),
        ("When was Karlo Brim born?", None),
        ("Where was Karlo Brim born, and where did he die?", None),
        (f"Tell me: {QUESTION} And when?", "quiz: 8 words"),
    ],
)
def test_a_question_of_a_set_leaks_if_it_is_the_same_or_holds_a_long_run(prompt: str, leak: str | None) -> None:
    found = held_table(SetText("question", "Where was Karlo Brim born?"), SetText("question", QUESTION))
    assert found.leak_of(asked(prompt)) == leak


def test_a_paragraph_with_masks_is_not_compared_as_a_whole_question() -> None:
    found = held_table(SetText("question", "Brim was born there."))
    assert found.leak_of(ramp_question("Brim was born there.", ["there"])) is None


def test_an_instruction_before_every_question_is_a_template_and_no_leak() -> None:
    """A run of so many words that some questions have in common is a leak still: they may be asked of one subject."""
    prefix = "Answer the following question with one single name and with nothing else besides, please: "
    many = [SetText("question", f"{prefix}where was person {number} born?") for number in range(SHARED + 1)]
    assert held_table(*many).leak_of(asked(f"{prefix}who founded Vint?")) is None
    assert held_table(*many).leak_of(asked(f"{prefix}where was person 3 born?")) == "quiz: the same question"
    assert held_table(*many[1:]).leak_of(asked(f"{prefix}who founded Vint?")) == "quiz: 10 words"
    repeated = held_table(*[many[0]] * (SHARED + 1))
    assert repeated.leak_of(asked(f"{prefix}who founded Vint?")) == "quiz: 10 words", "one question, however often"


def test_what_supports_an_evaluated_question_may_be_trained_on_unless_the_config_says_otherwise() -> None:
    texts = SetText("question", "Who founded Vint Works?"), SetText("evidence", PASSAGE)
    paragraph = ramp_question(PASSAGE, ["Ostel"])
    assert held_table(*texts).leak_of(paragraph) is None
    assert held_table(*texts, evidence=True).leak_of(paragraph) == "quiz: 10 words"

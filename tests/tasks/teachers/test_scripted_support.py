"""The scripted teacher on questions that name supporting passages and no steps."""

import pytest

from schemas.records import EndReason, Question, Support, Trajectory, VerdictStatus
from schemas.settings import AgentSettings
from tasks.agent.judge import judge
from tasks.teachers.scripted import teach
from tasks.teachers.scripted_support import SupportAttempt
from tests.tasks.teachers.honest import assert_honest
from tests.tasks.teachers.test_scripted_steps import PASSAGES, TitleIndex, queries, turns
from tests.tasks.teachers.test_scripted_steps import question as with_steps

AGENT = AgentSettings(hits=1, max_searches=4)


def question(prompt: str, gold: str, support: list[str]) -> Question:
    named = [Support(title=title, text=PASSAGES.get(title)) for title in support]
    return with_steps(prompt, [("", gold, None)]).model_copy(update={"steps": [], "support": named})


def taught(asked: Question, agent: AgentSettings = AGENT) -> Trajectory:
    done = teach(asked, TitleIndex(), agent)
    assert_honest(asked, done, SupportAttempt.vocabulary)
    return done


def test_it_searches_the_question_then_the_supporting_page_that_was_named_and_quotes_what_leads_on() -> None:
    done = taught(question("Where was the founder of Tiskor born?", "Velmar, Osk", ["Tiskor", "Karlo Vint"]))
    assert turns(done) == [
        "<think>Tiskor</think><search>Where was the founder of Tiskor born?</search>",
        "<think>Tiskor: Tiskor is a mill founded by Karlo Vint in 1871.</think><search>Karlo Vint</search>",
        "<think>Karlo Vint: Karlo Vint was taught by Sira Dol and born in Velmar, Osk.</think>"
        "<answer>Velmar, Osk</answer>",
    ]


def test_a_supporting_page_that_nothing_names_is_not_searched() -> None:
    done = taught(question("Where was the founder of Tiskor born?", "Tolm", ["Tiskor", "Sira Dol"]))
    assert queries(done) == ["Where was the founder of Tiskor born?"]
    assert (done.end_reason, done.answer) == (EndReason.TEACHER_STUCK, None)


def test_an_answer_in_a_passage_that_is_no_support_is_not_given() -> None:
    done = taught(question("When was the mill Tiskor founded?", "1871", ["Palgor"]))
    assert done.end_reason == EndReason.TEACHER_STUCK


@pytest.mark.parametrize("gold", ["yes", "Tiskor"])
def test_a_yes_or_a_name_of_the_question_is_answered_when_all_of_its_support_was_shown(gold: str) -> None:
    asked = question("Is the mill Tiskor older than Palgor?", gold, ["Tiskor", "Palgor"])
    done = taught(asked)
    assert done.answer == gold
    assert len(done.searches) == 2
    assert judge(asked, done).status == VerdictStatus.CORRECT
    stuck = taught(question("Is the mill Tiskor older than Palgor?", gold, ["Tiskor", "Velmar (Tolm)"]))
    assert stuck.answer is None


def test_a_title_is_named_without_its_parentheses() -> None:
    done = taught(question("How many people live in the town Velmar, near the mill Tiskor?", "4312", ["Velmar (Osk)"]))
    assert done.answer == "4312"


def test_a_set_that_names_no_support_is_answered_from_what_the_question_finds() -> None:
    assert taught(question("When was the mill Tiskor founded?", "1871", [])).answer == "1871"
    assert taught(question("Is Tiskor a mill?", "yes", [])).answer is None


def test_searches_end_with_the_settings() -> None:
    asked = question("Where was the founder of Tiskor born?", "Velmar, Osk", ["Tiskor", "Karlo Vint"])
    done = taught(asked, AGENT.model_copy(update={"max_searches": 1}))
    assert (done.end_reason, done.answer) == (EndReason.TURNS, None)

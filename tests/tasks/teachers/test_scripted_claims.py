"""The scripted teacher on claims: it finds the true value, and compares the claim with it."""

import pytest

from schemas.records import EndReason, Question, Trajectory, VerdictStatus
from schemas.settings import AgentSettings
from tasks.agent.judge import judge
from tasks.teachers.scripted import teach
from tasks.teachers.scripted_claims import ClaimAttempt
from tests.tasks.teachers.honest import assert_honest
from tests.tasks.teachers.test_scripted_steps import TitleIndex, queries, turns
from tests.tasks.teachers.test_scripted_steps import question as with_steps

AGENT = AgentSettings(hits=1, max_searches=4)


def claim(prompt: str, label: str, steps: list[tuple[str, str, str | None]]) -> Question:
    return with_steps(prompt, steps, gold=label).model_copy(update={"kind": "claim"})


def founded(year: str, label: str) -> Question:
    return claim(f"Tiskor was founded in {year}.", label, [(f"Tiskor was founded in {year}", "1871", "Tiskor")])


def born(town: str, label: str) -> Question:
    steps = [("the founder of Tiskor", "Karlo Vint", "Tiskor"), (f"#1 was born in {town}", "Velmar, Osk", "Karlo Vint")]
    return claim(f"The founder of Tiskor was born in {town}.", label, steps)


def taught(asked: Question, agent: AgentSettings = AGENT) -> Trajectory:
    done = teach(asked, TitleIndex(), agent)
    assert_honest(asked, done, ClaimAttempt.vocabulary)
    return done


@pytest.mark.parametrize(("year", "label"), [("1871", "supported"), ("1902", "refuted")])
def test_a_claim_is_repeated_with_the_value_that_was_found_and_decided(year: str, label: str) -> None:
    asked = founded(year, label)
    done = taught(asked)
    assert done.segments[0].text == f"Tiskor was founded in {year}.\nIs this supported or refuted?\n"
    assert turns(done) == [
        f"<think>Tiskor was founded in {year}</think><search>Tiskor</search>",
        f"<think>Tiskor was founded in {year}: 1871</think><answer>{label}</answer>",
    ]
    assert (done.answer, done.hops) == (label, 1)
    assert judge(asked, done).status == VerdictStatus.CORRECT


def test_a_claim_of_two_hops_is_decided_about_what_the_first_step_found() -> None:
    done = taught(born("Tolm", "refuted"))
    assert turns(done) == [
        "<think>the founder of Tiskor</think><search>Tiskor</search>",
        "<think>Karlo Vint. Karlo Vint was born in Tolm</think><search>Karlo Vint</search>",
        "<think>Karlo Vint was born in Tolm: Velmar, Osk</think><answer>refuted</answer>",
    ]


@pytest.mark.parametrize(("town", "label"), [("Velmar, Osk", "supported"), ("Velmar, Tolm", "refuted")])
def test_towns_of_one_name_are_told_apart(town: str, label: str) -> None:
    assert taught(born(town, label)).answer == label


@pytest.mark.parametrize("year", ["1871", "1902"])
def test_the_label_is_not_read(year: str) -> None:
    """With the wrong label the teacher writes the same trajectory, and the judge refuses it."""
    right, wrong = (founded(year, label) for label in ("supported", "refuted"))
    assert taught(right) == taught(wrong)
    statuses = {judge(asked, taught(asked)).status for asked in (right, wrong)}
    assert statuses == {VerdictStatus.CORRECT, VerdictStatus.WRONG}


def test_a_claimed_name_beside_the_subject_is_not_searched_with_it() -> None:
    """The prompt names the page by a second name: each name is a query of its own, the subject's first."""
    asked = claim(
        "The Old Mill was founded by Karlo Vint.",
        "refuted",
        [("The Old Mill was founded by Karlo Vint", "Sira Dol", "Palgor")],
    )
    done = taught(asked)
    assert queries(done) == ["Old Mill"]
    assert done.answer == "refuted"


def test_a_claim_without_steps_is_not_answered() -> None:
    asked = founded("1871", "supported").model_copy(update={"steps": []})
    done = taught(asked)
    assert (done.end_reason, done.searches) == (EndReason.TEACHER_STUCK, [])
    assert judge(asked, done).status == VerdictStatus.FAILED


def test_a_claim_whose_value_no_search_shows_is_not_decided() -> None:
    asked = claim(
        "Tiskor was founded by Mira Kell.", "supported", [("Tiskor was founded by #1", "Mira Kell", "Tiskor")]
    )
    assert taught(asked).end_reason == EndReason.TEACHER_STUCK

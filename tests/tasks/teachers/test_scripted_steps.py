"""The scripted teacher on questions with a decomposition: step by step, from what searches show."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval_index.hits import Hit, Query
from schemas.records import Author, EndReason, Question, Split, Step, Support, Trajectory, VerdictStatus
from schemas.settings import AgentSettings
from tasks.agent.judge import judge
from tasks.teachers.scripted import teach
from tasks.teachers.scripted_steps import StepsAttempt
from tests.tasks.teachers.honest import assert_honest

PASSAGES = {
    "Tiskor": "Tiskor is a mill founded by Karlo Vint in 1871.",
    "Karlo Vint": "Karlo Vint was taught by Sira Dol and born in Velmar, Osk.",
    "Velmar (Osk)": "Velmar is a town with a population of 4312.",
    "Velmar (Tolm)": "Velmar is a town with a population of 977.",
    "Palgor": "Palgor, also known as the Old Mill, is a mill founded in 1902 by Sira Dol.",
    "Sira Dol": "Sira Dol was born in Tolm.",
}
AGENT = AgentSettings(hits=1, max_searches=4)


class TitleIndex:
    """Finds pages by the words that their titles and texts share with the query; titles count more."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        return [self._hits(query.text)[:k] for query in queries]

    def _hits(self, query: str) -> list[Hit]:
        wanted = set(re.findall(r"\w+", query.lower()))
        hits = []
        for number, (title, text) in enumerate(PASSAGES.items()):
            words = re.findall(r"\w+", f"{title} {title} {title} {text}".lower())
            hits.append(Hit(f"{number}-0", sum(word in wanted for word in words), title, text))
        return sorted((hit for hit in hits if hit.score), key=lambda hit: -hit.score)


def question(prompt: str, steps: list[tuple[str, str, str | None]], gold: str | None = None) -> Question:
    """Steps are (question, answer, title of the page that holds it)."""
    titles = list(dict.fromkeys(title for _, _, title in steps if title is not None))
    return Question(
        snapshot="smallworld-20260101",
        question_id="w0-2-0",
        kind="qa",
        language="en",
        prompt=prompt,
        gold=[gold or steps[-1][1]],
        aliases=[[]],
        n_masks=0,
        hops=len(titles),
        split=Split.TRAIN,
        source="worldqa",
        support=[Support(title=title, text=None) for title in titles],
        steps=[
            Step(question=asked, answer=answer, support=None if title is None else titles.index(title))
            for asked, answer, title in steps
        ],
    )


BORN = question(
    "Where was the person who founded Tiskor born?",
    [("the person who founded Tiskor", "Karlo Vint", "Tiskor"), ("Where was #1 born?", "Velmar, Osk", "Karlo Vint")],
)
PEOPLE = question(
    "How many people live in the birthplace of the founder of Tiskor?",
    [
        ("the founder of Tiskor", "Karlo Vint", "Tiskor"),
        ("the birthplace of #1", "Velmar, Osk", "Karlo Vint"),
        ("How many people live in #2?", "4312", "Velmar (Osk)"),
    ],
)
OLDER = question(
    "Who founded the older of the mills Tiskor and Palgor?",
    [
        ("When was Tiskor founded?", "1871", "Tiskor"),
        ("When was Palgor founded?", "1902", "Palgor"),
        ("the older of the mills Tiskor and Palgor", "Tiskor", "Tiskor"),
        ("Who founded #3?", "Karlo Vint", "Tiskor"),
    ],
)


def turns(trajectory: Trajectory) -> list[str]:
    return [segment.text for segment in trajectory.segments if segment.author == Author.MODEL]


def queries(trajectory: Trajectory) -> list[str]:
    return [query for search in trajectory.searches for query in search.queries]


def test_the_answer_of_a_step_is_read_and_the_next_step_searched_with_it() -> None:
    done = teach(BORN, TitleIndex(), AGENT)
    assert turns(done) == [
        "<think>the person who founded Tiskor</think><search>Tiskor</search>",
        "<think>Karlo Vint. Where was Karlo Vint born</think><search>Karlo Vint</search>",
        "<think>Velmar, Osk</think><answer>Velmar, Osk</answer>",
    ]
    assert (done.answer, done.hops, done.level) == ("Velmar, Osk", 2, 2)
    assert judge(BORN, done).status == VerdictStatus.CORRECT


def test_a_name_that_two_pages_have_is_searched_as_the_passage_wrote_it() -> None:
    done = teach(PEOPLE, TitleIndex(), AGENT)
    assert queries(done) == ["Tiskor", "Karlo Vint", "Velmar, Osk"]
    assert done.answer == "4312"


def test_both_of_a_comparison_are_searched_and_what_was_read_is_not_searched_again() -> None:
    done = teach(OLDER, TitleIndex(), AGENT)
    assert queries(done) == ["Tiskor", "Palgor"]
    assert turns(done)[-1] == (
        "<think>1902. the older of the mills Tiskor and Palgor: Tiskor. Who founded Tiskor: Karlo Vint</think>"
        "<answer>Karlo Vint</answer>"
    )


def test_a_page_that_nothing_names_yet_is_searched_by_the_names_and_then_the_words_of_the_step() -> None:
    asked = question(
        "When was the firm that Sira Dol founded set up?", [("the firm that Sira Dol founded", "1902", "Palgor")]
    )
    done = teach(asked, TitleIndex(), AGENT)
    assert queries(done)[:2] == ["Sira Dol", "the firm that Sira Dol founded"]
    assert "Palgor" not in "".join(turns(done)[:2])


def test_without_a_named_page_any_passage_that_holds_the_answer_counts() -> None:
    steps = [(asked, answer, None) for asked, answer, _ in (("the founder of Tiskor", "Karlo Vint", ""),)]
    done = teach(question("Who was the founder of Tiskor?", steps), TitleIndex(), AGENT)
    assert done.answer == "Karlo Vint"


def test_words_that_nothing_has_shown_are_left_out_of_a_thought() -> None:
    steps = [("Tiskor >> paterfamilias", "Karlo Vint", "Tiskor")]
    done = teach(question("Who founded Tiskor?", steps), TitleIndex(), AGENT)
    assert turns(done)[0] == "<think>Tiskor</think><search>Tiskor</search>"


def test_an_alias_of_the_answer_is_given_as_it_was_read() -> None:
    asked = BORN.model_copy(update={"gold": ["Velmar near Osk"], "aliases": [["Velmar, Osk"]]})
    assert teach(asked, TitleIndex(), AGENT).answer == "Velmar, Osk"


@pytest.mark.parametrize(
    ("asked", "agent", "reason"),
    [
        (question("Who founded Tiskor?", [("the founder of Tiskor", "Mira Kell", "Tiskor")]), AGENT, "teacher_stuck"),
        (question("Who founded Tiskor?", [("Tiskor", "Karlo Vint", "Tiskor")], "Karl V."), AGENT, "teacher_stuck"),
        (PEOPLE, AGENT.model_copy(update={"max_searches": 2}), "turns"),
    ],
    ids=["not on the page", "the answer itself is not shown", "searches used up"],
)
def test_where_no_honest_step_is_left_it_ends_without_an_answer(
    asked: Question, agent: AgentSettings, reason: str
) -> None:
    done = teach(asked, TitleIndex(), agent)
    assert (done.end_reason, done.answer) == (reason, None)


SPANS = ["Tiskor", "Karlo Vint", "Sira Dol", "Velmar, Osk", "4312", "1902", "the Old Mill", "Kell"]
PROMPTS = ["Who founded Tiskor?", "Where was the teacher of Karlo Vint born?", "Is Palgor a mill?"]
ASKED = ["the founder of #1", "Where was #1 born?", "#2 >> place", "Tiskor", "Sira Dol and Kell", "How old is #1?"]


@settings(max_examples=200, deadline=None)
@given(
    prompt=st.sampled_from(PROMPTS),
    steps=st.lists(
        st.tuples(st.sampled_from(ASKED), st.sampled_from(SPANS), st.sampled_from([*PASSAGES, None])),
        min_size=1,
        max_size=4,
    ),
    hits=st.integers(1, 3),
)
def test_no_turn_says_what_nothing_has_shown(prompt: str, steps: list[tuple[str, str, str | None]], hits: int) -> None:
    asked = question(prompt, steps)
    done = teach(asked, TitleIndex(), AGENT.model_copy(update={"hits": hits}))
    assert_honest(asked, done, StepsAttempt.vocabulary)
    if done.end_reason == EndReason.ANSWERED:
        assert judge(asked, done).status == VerdictStatus.CORRECT

"""Questions about the small world: one answer, which pages hold and the question does not."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from schemas.corpus_settings import WorldSettings
from schemas.records import Page, Split
from tasks.agent.scoring import holds
from tasks.corpus.pages import read_pages
from tasks.corpus.smallworld import world_questions, write_world
from tasks.corpus.worldquestions import WorldQuestion
from tasks.dumps.dumps import cut, find_dump

SNAPSHOT = "smallworld-20260101"
SETTINGS = WorldSettings(
    seed=3,
    families={Split.TRAIN: 3, Split.RL: 1, Split.DEV: 1, Split.TEST: 2},
    retellings=3,
    namesakes=0.4,
    aliases=0.3,
    descriptions=0.3,
    questions=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(SETTINGS, SNAPSHOT, str(folder))
    return folder


@pytest.fixture(scope="module")
def questions(folder: Path) -> list[WorldQuestion]:
    """As they stand beside the dump."""
    lines = (folder / "questions.jsonl").read_text().splitlines()
    return [WorldQuestion.model_validate(json.loads(line)) for line in lines]


@pytest.fixture(scope="module")
def texts(folder: Path) -> dict[str, str]:
    """The texts of pages as the pipeline reads them, by title."""
    pages = [page for part in cut(find_dump(str(folder)), 16) for page in read_pages(part, SNAPSHOT)]
    return {page.title: page.text for page in pages if isinstance(page, Page)}


def test_every_family_has_as_many_questions_of_each_number_of_hops_as_asked_for(questions: list[WorldQuestion]) -> None:
    counts = Counter((question.split, question.hops) for question in questions)
    families = SETTINGS.families
    assert counts == {(split, hops): 20 * families[split] for split in families for hops in (1, 2, 3)}
    assert len({question.id for question in questions}) == len(questions)
    assert len({question.question for question in questions}) == len(questions)


def test_bridges_and_comparisons_are_asked(questions: list[WorldQuestion]) -> None:
    types = Counter((question.hops, question.type) for question in questions)
    assert set(types) == {(1, "fact"), *((hops, kind) for hops in (2, 3) for kind in ("bridge", "comparison"))}
    for hops in (2, 3):
        assert 0.15 < types[hops, "comparison"] / (types[hops, "comparison"] + types[hops, "bridge"]) < 0.35


def test_the_answer_does_not_stand_in_the_question(questions: list[WorldQuestion]) -> None:
    for asked in questions:
        assert not any(holds(asked.question, form) for form in (asked.answer, *asked.aliases)), asked.question


def test_each_page_of_the_chain_holds_the_answer_of_its_steps(
    questions: list[WorldQuestion], texts: dict[str, str]
) -> None:
    for asked in questions:
        assert {step.support for step in asked.steps} == set(range(len(asked.support)))
        for step in asked.steps:
            title = asked.support[step.support].title
            assert holds(f"{title}: {texts[title]}", step.answer), (asked.question, step)
        assert asked.steps[-1].answer == asked.answer


def test_one_page_more_is_needed_with_every_hop(questions: list[WorldQuestion]) -> None:
    assert all(len(asked.support) == asked.hops for asked in questions)


def test_the_chain_begins_at_what_the_question_names(questions: list[WorldQuestion], texts: dict[str, str]) -> None:
    """Each page is named by the question or by a page before it, or holds a name of the question (the firm of …)."""
    for asked in questions:
        seen = asked.question
        for support in asked.support:
            title = support.title
            second = re.match(r"[^,(]+? or (\w+)", texts[title])
            names = [title, title.replace(" (", ", "), *([second[1]] if second else [])]
            described = any(name in texts[title] for name in re.findall(r"(?<!^)\b[A-Z]\w+", asked.question))
            assert any(holds(seen, name) for name in names) or described, (asked.question, title)
            seen += f"\n{texts[title]}"


def test_steps_refer_to_the_answers_of_earlier_steps(questions: list[WorldQuestion]) -> None:
    for asked in questions:
        for number, step in enumerate(asked.steps):
            referred = [int(word.strip("#?,")) for word in step.question.split() if word.startswith("#")]
            assert all(0 < earlier <= number for earlier in referred)
    chains = [asked for asked in questions if asked.type == "bridge"]
    assert all("#" in step.question for asked in chains for step in asked.steps[1:])


def test_a_comparison_chooses_by_the_years_or_numbers_of_its_first_two_steps(questions: list[WorldQuestion]) -> None:
    most = ("younger", "larger", "later")
    for asked in questions:
        if asked.type == "comparison":
            first, second, winner = asked.steps[:3]
            numbers = [int(step.answer.split()[-1]) for step in (first, second)]
            assert numbers[0] != numbers[1]
            wanted = max(numbers) if any(word in winner.question for word in most) else min(numbers)
            assert winner.support == numbers.index(wanted)


def test_each_split_asks_about_its_own_families(questions: list[WorldQuestion]) -> None:
    titles = {
        split: {support.title for asked in questions if asked.split == split for support in asked.support}
        for split in SETTINGS.families
    }
    assert titles[Split.TRAIN].isdisjoint(titles[Split.TEST])
    assert titles[Split.RL].isdisjoint(titles[Split.TRAIN] | titles[Split.TEST])


def test_a_namesake_is_asked_for_and_answered_with_what_tells_it_apart(questions: list[WorldQuestion]) -> None:
    namesakes = [asked for asked in questions if ", " in asked.answer]
    assert namesakes
    for asked in namesakes:
        name, ruler = asked.answer.split(", ")
        assert {name, f"{name} ({ruler})"} <= set(asked.aliases)


def test_a_world_that_asks_for_no_questions_has_no_file(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"questions": 0})
    write_world(settings, SNAPSHOT, str(tmp_path))
    assert not (tmp_path / "questions.jsonl").exists()
    assert list(world_questions(settings)) == []


def test_a_family_too_small_for_so_many_questions_gives_those_that_it_has() -> None:
    tiny = WorldSettings(families={Split.TRAIN: 1}, towns=2, firms=1, people=2, works=1, retellings=1, questions=500)
    asked = Counter(question.hops for question in world_questions(tiny))
    assert all(0 < asked[hops] < 500 for hops in (1, 2, 3))

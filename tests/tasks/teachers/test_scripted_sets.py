"""The scripted teacher on whole sets with a real index: how many questions it answers, and that it answers honestly."""

import json
from collections import Counter
from pathlib import Path

import pytest

from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings, PassageSettings, WorldSettings
from schemas.records import Page, Question, Split, Trajectory, VerdictStatus
from schemas.settings import AgentSettings
from tasks.agent.judge import judge
from tasks.corpus.pages import read_pages
from tasks.corpus.passages import passages_of
from tasks.corpus.smallworld import world_claims, world_questions, write_world
from tasks.corpus.worldclaims import WorldClaim
from tasks.corpus.worldquestions import WorldQuestion
from tasks.dumps.dumps import cut, find_dump
from tasks.teachers.scripted import teach_many
from tasks.teachers.scripted_attempt import ScriptedAttempt
from tasks.teachers.scripted_claims import ClaimAttempt
from tasks.teachers.scripted_steps import StepsAttempt
from tasks.teachers.scripted_support import SupportAttempt
from tests.tasks.teachers.honest import assert_honest
from tests.tasks.teachers.published import Passage, hotpotqa, musique

SNAPSHOT = "smallworld-20260101"
WORLD = WorldSettings(
    seed=1,
    families={Split.TRAIN: 2, Split.TEST: 1},
    namesakes=0.4,
    aliases=0.3,
    descriptions=0.3,
    questions=20,
    claims=20,
)

AGENT = AgentSettings(hits=2, max_searches=5, hold_back="page")


def taught(
    questions: list[Question], passages: list[Passage], agent: AgentSettings, folder: Path
) -> list[tuple[Question, Trajectory]]:
    """Each question with its trajectory, all of them checked for honesty."""
    index = str(folder / "index")
    build_index(passages, index, IndexSettings())
    done = list(zip(questions, teach_many(questions, open_index(index), agent), strict=True))
    for question, trajectory in done:
        assert_honest(question, trajectory, _way_of(question).vocabulary)
    return done


def _way_of(question: Question) -> type[ScriptedAttempt]:
    if question.kind == "claim":
        return ClaimAttempt
    return StepsAttempt if question.steps else SupportAttempt


def answered(done: list[tuple[Question, Trajectory]]) -> int:
    """How many were answered; all of these are right and supported."""
    ends = Counter(trajectory.end_reason for _, trajectory in done)
    statuses = [judge(question, row).status for question, row in done if row.end_reason == "answered"]
    assert set(statuses) == {VerdictStatus.CORRECT}
    assert set(ends) <= {"answered", "teacher_stuck", "turns"}
    return len(statuses)


def test_most_of_hotpotqa_is_answered_by_its_supporting_titles(test_data: Path, tmp_path: Path) -> None:
    done = taught(*hotpotqa(test_data), AgentSettings(hits=3), tmp_path)
    assert len(done) == 500
    assert answered(done) > 0.85 * 500


def test_most_of_musique_is_answered_by_its_decompositions(test_data: Path, tmp_path: Path) -> None:
    done = taught(*musique(test_data), AgentSettings(hits=3, max_searches=5), tmp_path)
    assert len(done) == 100
    assert answered(done) > 0.8 * 100


@pytest.fixture(scope="module")
def passages(tmp_path_factory: pytest.TempPathFactory) -> list[Passage]:
    folder = tmp_path_factory.mktemp("world")
    write_world(WORLD, SNAPSHOT, str(folder))
    pages = [page for part in cut(find_dump(str(folder)), 16) for page in read_pages(part, SNAPSHOT)]
    found = [each for page in pages if isinstance(page, Page) for each in passages_of(page, PassageSettings())]
    return [(each.passage_id, each.title, each.text) for each in found]


def world_question(asked: WorldQuestion | WorldClaim) -> Question:
    is_claim = isinstance(asked, WorldClaim)
    return Question(
        snapshot=SNAPSHOT,
        question_id=asked.id,
        kind="claim" if is_claim else "qa",
        language="en",
        prompt=asked.claim if is_claim else asked.question,
        gold=[asked.label if is_claim else asked.answer],
        aliases=[[] if is_claim else asked.aliases],
        n_masks=0,
        source="world",
        **json.loads(asked.model_dump_json(include={"hops", "split", "type", "support", "steps"})),
    )


def test_nearly_all_questions_of_a_hard_small_world_are_answered_in_as_many_searches_as_hops(
    passages: list[Passage], tmp_path: Path
) -> None:
    done = taught([*map(world_question, world_questions(WORLD))], passages, AGENT, tmp_path)
    assert answered(done) > 0.97 * len(done)
    assert_as_many_searches_as_hops(done)


def test_nearly_all_claims_of_a_hard_small_world_are_decided_and_as_many_of_each_label(
    passages: list[Passage], tmp_path: Path
) -> None:
    done = taught([*map(world_question, world_claims(WORLD))], passages, AGENT, tmp_path)
    assert len(done) == 180
    assert answered(done) > 0.97 * len(done)
    decided = Counter((question.hops, row.answer) for question, row in done if row.answer is not None)
    assert all(decided[hops, "supported"] == decided[hops, "refuted"] for hops in (1, 2, 3))
    assert_as_many_searches_as_hops(done)


def assert_as_many_searches_as_hops(done: list[tuple[Question, Trajectory]]) -> None:
    for hops in (1, 2, 3):
        searches = [len(row.searches) for question, row in done if question.hops == hops and row.answer is not None]
        assert sum(count == hops for count in searches) > 0.85 * len(searches)

"""Dynamic sampling: which question is asked when, refill, what is carried on, and what a resume repeats or loses."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest

from schemas.errors import BadInput
from schemas.records import Author, Question, Trajectory
from schemas.training_settings import CurriculumPhase, DapoSettings, OptimiserSettings
from tasks.agent.protocol import answer_turn
from tests.support.examples import ramp_question, trajectory
from trainers.ranks.stopping import Interrupted
from trainers.rl.generation import Cursor, Generation
from trainers.rl.prompts import Place, PromptOrder, rollout_seed

TEXT = "One Two Three Four are numbers."
QUESTIONS = [ramp_question(TEXT, TEXT.split()[: number % 4 + 1], question_id=f"q{number}") for number in range(40)]
SETTINGS = DapoSettings(
    prompts=4,
    group=3,
    max_generation_batches=5,
    curriculum=[CurriculumPhase(max_masks=4, steps=1)],
    optimiser=OptimiserSettings(lr=1e-4),
)


class Roller:
    """Plays the agent; a question in ``dull`` gets the same answer from every rollout."""

    def __init__(self, dull: set[str] = frozenset()) -> None:
        self.dull, self.asked = dull, []

    async def __call__(self, question: Question, rollout: int, seed: int) -> Trajectory:
        self.asked.append((question.question_id, rollout, seed))
        await asyncio.sleep(0)
        right = rollout == 0 and question.question_id not in self.dull
        turn = (Author.MODEL, answer_turn("so", TEXT if right else "?"))
        return trajectory(question, [turn])


def _generation(roller, settings: DapoSettings = SETTINGS, stop=None) -> Generation:
    stop = stop or SimpleNamespace(received=False)
    return Generation(roller, PromptOrder(QUESTIONS, seed=1), settings, max_tokens=1000, stop=stop)


def test_groups_of_equal_rewards_are_refilled_and_surplus_is_carried_to_the_next_step():
    order = [PromptOrder(QUESTIONS, seed=1).question(Place(4, position)).question_id for position in range(12)]
    roller = Roller(dull={order[0], order[1], order[2]})
    generation = _generation(roller)
    harvest, cursor = generation.collect(Cursor(), 4)
    assert harvest.batches == 2
    assert [group.question_id for group in harvest.groups] == order[3:7]
    assert [group.question_id for group in cursor.carried] == order[7:8]
    assert [group.question_id for group in harvest.drawn] == order[:8]
    harvest, cursor = generation.collect(cursor, 4)
    assert [group.question_id for group in harvest.groups] == order[7:11]
    assert [group.question_id for group in cursor.carried] == order[11:12]


def test_refill_ends_after_so_many_batches_with_what_there_is():
    generation = _generation(Roller(dull={question.question_id for question in QUESTIONS}))
    harvest, cursor = generation.collect(Cursor(), 4)
    assert (harvest.groups, harvest.batches, cursor.position) == ([], 5, 20)


def test_a_resumed_training_asks_exactly_what_an_undisturbed_one_asks():
    whole, broken = Roller(dull={"q3", "q8"}), Roller(dull={"q3", "q8"})
    generation, cursor, cursors = _generation(whole), Cursor(), []
    for _ in range(6):
        _, cursor = generation.collect(cursor, 4)
        cursors.append(cursor)
    _, first = _generation(broken).collect(Cursor(), 4)
    later, cursor = _generation(broken), Cursor.model_validate_json(first.model_dump_json())
    for _ in range(5):
        _, cursor = later.collect(cursor, 4)
    assert broken.asked == whole.asked
    assert cursor == cursors[-1]


def test_every_rollout_has_a_seed_of_its_own():
    roller = Roller()
    generation, cursor = _generation(roller), Cursor()
    for _ in range(5):
        _, cursor = generation.collect(cursor, 4)
    seeds = [seed for _, _, seed in roller.asked]
    assert len(set(seeds)) == len(seeds) == 5 * 4 * 3
    assert rollout_seed(1, Place(4, 0), 0) != rollout_seed(2, Place(4, 0), 0)


def test_a_stop_request_during_generation_leaves_the_state_unchanged():
    stop, ended = SimpleNamespace(received=False), []

    async def endless(question: Question, rollout: int, seed: int) -> Trajectory:
        stop.received = True
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(rollout)
        raise AssertionError

    with pytest.raises(Interrupted):
        _generation(endless, stop=stop).collect(Cursor(), 4)
    assert len(ended) == SETTINGS.prompts * SETTINGS.group


def test_an_error_of_one_rollout_ends_the_others():
    async def broken(question: Question, rollout: int, seed: int) -> Trajectory:
        if rollout == 1:
            raise RuntimeError("a defect")
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(RuntimeError, match="a defect"):
        _generation(broken).collect(Cursor(), 4)


def test_an_error_of_the_last_prompt_is_not_kept_waiting_by_those_before_it():
    last, outlived = PromptOrder(QUESTIONS, seed=1).question(Place(4, SETTINGS.prompts - 1)).question_id, []

    async def broken(question: Question, rollout: int, seed: int) -> Trajectory:
        if question.question_id == last and rollout == 0:
            raise RuntimeError("a defect")
        await asyncio.sleep(1)
        outlived.append(question.question_id)
        raise ValueError("another, later")

    generation = _generation(broken)
    with pytest.raises(RuntimeError, match="a defect"):
        generation.collect(Cursor(), 4)
    generation._runner.run(asyncio.sleep(1.5))
    assert outlived == []  # not even of the same prompt's rollouts


def test_the_curriculum_mixes_questions_of_up_to_k_masks_and_repeats_none_within_an_epoch():
    order = PromptOrder(QUESTIONS, seed=1)
    asked = [order.question(Place(2, position)) for position in range(20)]
    assert Counter(question.n_masks for question in asked) == {1: 10, 2: 10}
    assert len({question.question_id for question in asked}) == 20
    again = [order.question(Place(2, position)).question_id for position in range(20, 40)]
    assert sorted(again) == sorted(question.question_id for question in asked)
    assert again != [question.question_id for question in asked]
    with pytest.raises(BadInput, match="up to 4 masks"):
        PromptOrder(QUESTIONS[:2], seed=1).question(Place(4, 0))

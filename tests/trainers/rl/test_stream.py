"""Generation beside the training: nothing lost or doubled, nothing too old, and what a resume asks again."""

import asyncio
import random
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from schemas.errors import RunFailed
from schemas.records import Author, EndReason, Question, Trajectory
from schemas.training_settings import CurriculumPhase, DapoSettings, OptimiserSettings
from tasks.agent.protocol import answer_turn
from tests.support.examples import ramp_question, trajectory
from trainers.ranks.stopping import Interrupted
from trainers.rl.generation import Cursor, Harvest
from trainers.rl.prompt_ledger import Drop
from trainers.rl.prompts import Place, PromptOrder, rollout_seed
from trainers.rl.stream import Stream

TEXT = "One Two Three Four are numbers."
QUESTIONS = [ramp_question(TEXT, TEXT.split()[: number % 4 + 1], question_id=f"q{number}") for number in range(40)]
ORDER = PromptOrder(QUESTIONS, seed=1)


def _settings(**changed) -> DapoSettings:
    return DapoSettings(
        prompts=4,
        group=3,
        curriculum=[CurriculumPhase(max_masks=4, steps=1)],
        optimiser=OptimiserSettings(lr=1e-4),
        **{"staleness": 1, **changed},
    )


class Policy:
    """Plays the agent, each rollout in a time of its own, by the version that is published when it begins.

    A question in ``dull`` gets the same answer from every rollout; what is asked of one in ``slow`` waits for `free`.
    """

    def __init__(self, dull=(), slow=()) -> None:
        self.version, self.dull, self.slow, self.asked = 0, dull, slow, []
        self.random, self.free = random.Random(1), False

    async def __call__(self, question: Question, rollout: int, seed: int) -> Trajectory:
        version = self.version
        self.asked.append((question.question_id, rollout, seed))
        await asyncio.sleep(self.random.random() / 100)
        while question.question_id in self.slow and not self.free:
            await asyncio.sleep(0.01)
        right = rollout == 0 and question.question_id not in self.dull
        told = trajectory(question, [(Author.MODEL, answer_turn("so", TEXT if right else "?"))])
        segments = [segment.model_copy(update={"versions": [version]}) for segment in told.segments]
        return told.model_copy(update={"segments": segments})


@pytest.fixture
def streams():
    opened = []

    def opening(policy, settings=None, stop=None):
        stop = stop or SimpleNamespace(received=False)
        version = lambda: getattr(policy, "version", 0)  # noqa: E731
        opened.append(Stream(policy, ORDER, settings or _settings(), 1000, stop, version))
        return opened[-1]

    yield opening
    for stream in opened:
        stream.close()


def _steps(stream: Stream, policy: Policy, cursor: Cursor, count: int) -> tuple[list[Harvest], Cursor]:
    harvests = []
    for _ in range(count):
        harvest, cursor = stream.collect(cursor, 4)
        harvests.append(harvest)
        policy.version += 1
        stream.published()
    return harvests, cursor


def _places(harvests: list[Harvest]) -> list[Place]:
    return [Place(fate.bound, fate.position) for harvest in harvests for fate in harvest.fates(1)]


def test_every_prompt_is_used_or_dropped_once_or_still_waits(streams):
    policy = Policy(dull={"q3", "q8", "q9", "q21"})
    harvests, cursor = _steps(streams(policy), policy, Cursor(), 8)
    assert all(len(harvest.groups) == 4 for harvest in harvests)
    waiting = [*cursor.in_flight, *(group.place for group in cursor.carried)]
    assert sorted([*_places(harvests), *waiting]) == [Place(4, position) for position in range(cursor.position)]
    dropped = {fate.question_id: fate.reason for harvest in harvests for fate in harvest.fates(1) if fate.reason}
    assert set(dropped.values()) <= {Drop.EQUAL, Drop.STALE}  # stale: where the machine was slow for a moment
    assert {question for question, reason in dropped.items() if reason == Drop.EQUAL} <= policy.dull


def test_a_group_older_than_is_allowed_is_dropped_as_stale(streams):
    slow = ORDER.question(Place(4, 0)).question_id
    policy = Policy(slow={slow})
    stream = streams(policy)
    _, cursor = _steps(stream, policy, Cursor(), 3)
    assert cursor.in_flight[0] == Place(4, 0)
    policy.free = True
    harvests, _ = _steps(stream, policy, cursor, 3)
    stale = [group.question_id for harvest in harvests for group in harvest.stale]
    assert stale.count(slow) == 1  # others may be too, where the machine was slow for a moment
    for version, harvest in enumerate(harvests, start=3):
        oldest = version - 1
        assert all(group.oldest_version >= oldest for group in harvest.groups)
        assert all(group.oldest_version < oldest for group in harvest.stale)


def test_a_resumed_training_asks_what_was_in_flight_again_and_nothing_that_was_used(streams):
    policy = Policy()
    first, cursor = _steps(streams(policy), policy, Cursor(), 3)
    again = Policy()
    again.version = policy.version
    later, then = _steps(streams(again), again, Cursor.model_validate_json(cursor.model_dump_json()), 3)
    begun_anew = [
        (ORDER.question(place).question_id, rollout, rollout_seed(1, place, rollout))
        for place in cursor.in_flight
        for rollout in range(3)
    ]
    assert again.asked[: len(begun_anew)] == begun_anew
    waiting = [*then.in_flight, *(group.place for group in then.carried)]
    counted = Counter([*_places(first), *_places(later), *waiting])
    assert set(counted.values()) == {1}
    assert len(counted) == then.position


def test_rollouts_in_flight_restart_with_a_new_version_if_configured(streams):
    slow = ORDER.question(Place(4, 0)).question_id
    policy = Policy(slow={slow})
    stream = streams(policy, _settings(in_flight="regenerated"))
    harvests, cursor = _steps(stream, policy, Cursor(), 4)
    policy.free = True
    later, _ = _steps(stream, policy, cursor, 6)
    assert [entry[0] for entry in policy.asked].count(slow) >= 4 * 3
    assert not [group for harvest in [*harvests, *later] for group in harvest.stale if group.question_id == slow]
    assert slow in {group.question_id for harvest in later for group in harvest.groups}


def test_while_a_step_is_trained_on_equal_groups_make_place_for_others(streams):
    policy, stop = Policy(dull={question.question_id for question in QUESTIONS[::2]}), SimpleNamespace(received=False)
    stream = streams(policy, stop=stop)
    _, cursor = stream.collect(Cursor(), 4)
    time.sleep(0.5)  # the training: longer than any rollout
    policy.slow = {question.question_id for question in QUESTIONS}  # nothing more comes in from here
    giving_up = threading.Timer(10, setattr, (stop, "received", True))
    giving_up.start()
    harvest, _ = stream.collect(cursor, 4)
    giving_up.cancel()
    assert len(harvest.groups) == 4


def test_a_broken_search_does_not_use_prompts_up_while_a_step_is_trained_on(streams):
    broken = SimpleNamespace(now=False, asked=0)
    policy = Policy()

    async def rolling(question: Question, rollout: int, seed: int) -> Trajectory:
        if broken.now:
            broken.asked += 1
            return trajectory(question, [(Author.MODEL, "")], EndReason.TOOL_FAILED)
        return await policy(question, rollout, seed)

    stream = streams(rolling)
    _, cursor = stream.collect(Cursor(), 4)
    broken.now = True
    time.sleep(0.5)
    assert broken.asked <= 3 * (_settings().prompts * (_settings().max_generation_batches + 2))
    with pytest.raises(RunFailed, match="every rollout of a step failed"):
        for _ in range(3):
            _, cursor = stream.collect(cursor, 4)


def test_prompts_of_the_curriculum_s_last_phase_are_used_in_the_next(streams):
    policy = Policy()
    stream = streams(policy)
    _, cursor = stream.collect(Cursor(), 2)
    assert cursor.in_flight or cursor.carried
    harvest, cursor = stream.collect(cursor, 4)
    assert Counter(group.place.bound for group in harvest.groups)[2] > 0
    assert cursor.bound == 4


def test_a_stop_request_and_an_error_of_a_rollout_are_raised(streams):
    async def broken(question: Question, rollout: int, seed: int) -> Trajectory:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        streams(broken).collect(Cursor(), 4)
    with pytest.raises(Interrupted):
        streams(Policy(), stop=SimpleNamespace(received=True)).collect(Cursor(), 4)


def test_a_timeout_of_a_rollout_is_an_error_like_others(streams):
    async def slow(question: Question, rollout: int, seed: int) -> Trajectory:
        raise TimeoutError("the search took too long")

    stop = SimpleNamespace(received=False)
    giving_up = threading.Timer(10, setattr, (stop, "received", True))
    giving_up.start()
    with pytest.raises(TimeoutError, match="took too long"):
        streams(slow, stop=stop).collect(Cursor(), 4)
    giving_up.cancel()


def test_where_every_rollout_fails_the_training_ends(streams):
    async def failing(question: Question, rollout: int, seed: int) -> Trajectory:
        return trajectory(question, [(Author.MODEL, "")], EndReason.TOOL_FAILED)

    with pytest.raises(RunFailed, match="every rollout of a step failed"):
        streams(failing).collect(Cursor(), 4)

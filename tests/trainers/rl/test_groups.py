"""Groups: advantages of one question's rollouts, and what is left out of them."""

import numpy as np
import pytest

from schemas.records import Author, EndReason, Trajectory
from schemas.training_settings import CurriculumPhase, DapoSettings, OptimiserSettings
from tasks.agent.protocol import answer_turn
from tests.support.examples import ramp_question, trajectory
from trainers.rl.groups import Group, figures_of, group_of
from trainers.rl.prompts import Place
from trainers.rl.rewards.earned import Reward, Rewarder

TEXT = "Arlen Brom was born in Great Tolm and died in Osk."
QUESTION = ramp_question(TEXT, ["Great Tolm", "Osk"])
SETTINGS = DapoSettings(curriculum=[CurriculumPhase(max_masks=2, steps=1)], optimiser=OptimiserSettings(lr=1e-4))


def _rollout(answer: str, end_reason: EndReason = EndReason.ANSWERED) -> Trajectory:
    return trajectory(QUESTION, [(Author.MODEL, answer_turn("so", answer))], end_reason)


def _group(*rollouts: Trajectory) -> Group:
    return group_of(QUESTION, Place(1, 0), rollouts, Rewarder(SETTINGS, max_tokens=1000))


def test_a_group_of_equal_rewards_is_not_informative():
    assert not _group(_rollout(TEXT), _rollout(TEXT)).is_informative
    assert not _group(_rollout("?"), _rollout("!")).is_informative
    assert _group(_rollout(TEXT), _rollout("?")).is_informative


def _with_rewards(*totals: float) -> Group:
    group = _group(*(_rollout(TEXT) for _ in totals))
    return group.model_copy(update={"rewards": [Reward(total, True, 1.0, 0.0, 1.0) for total in totals]})


@pytest.mark.parametrize(
    ("totals", "is_informative"),
    [
        ((0.1 + 0.2, 0.3), False),
        ((0.5333333333333333, 0.5333333333333334, 0.5333333333333333), False),
        ((0.0, 5e-17), False),
        ((-1.0, -1.0 + 1e-12), False),
        ((4e6, 4e6 + 1e-9), False),
        ((0.2, 0.2 + 1e-4), True),
        ((0.0, -1 / 4096), True),
    ],
)
def test_rewards_that_differ_by_rounding_are_equal(tokenizer, totals: tuple[float, ...], is_informative: bool):
    group = _with_rewards(*totals)
    assert group.is_informative == is_informative
    assert figures_of([group])["informative"] == is_informative
    advantages = [experience.advantage for experience in group.experiences(tokenizer)]
    assert any(advantages) == is_informative


def test_a_failed_rollout_neither_counts_nor_is_compared_with(tokenizer):
    failed = _rollout("", EndReason.TOOL_FAILED)
    group = _group(_rollout(TEXT), failed, _rollout("?"))
    assert (len(group.trajectories), group.failed) == (2, 1)
    assert [round(experience.advantage, 3) for experience in group.experiences(tokenizer)] == [0.707, -0.707]
    assert not _group(_rollout(TEXT), failed).is_informative
    assert not _group(failed, failed).is_informative


def test_advantages_are_the_group_s_own_whatever_the_reward_s_level(tokenizer):
    group = _group(_rollout(TEXT), _rollout(TEXT.replace("Osk", "Kell")), _rollout("?"))
    advantages = [experience.advantage for experience in group.experiences(tokenizer)]
    assert sum(advantages) == pytest.approx(0, abs=1e-6)
    assert advantages[0] > advantages[1] > advantages[2]
    assert np.std(advantages, ddof=1) == pytest.approx(1, abs=1e-4)


def test_rollouts_of_another_question_are_refused():
    other = trajectory(ramp_question(TEXT, ["Osk"], question_id="other"), [])
    with pytest.raises(ValueError, match="other questions"):
        _group(_rollout(TEXT), other)


def test_a_group_survives_a_checkpoint():
    group = _group(_rollout(TEXT), _rollout("?"))
    assert Group.model_validate_json(group.model_dump_json()) == group


def test_figures_are_of_all_rollouts_informative_or_not():
    figures = figures_of([_group(_rollout(TEXT), _rollout("?")), _group(_rollout(TEXT), _rollout(TEXT))])
    assert figures["recall"] == 0.75
    assert figures["informative"] == 0.5
    assert figures_of([_group(_rollout("", EndReason.ENGINE_FAILED))]) == {}

"""The rewards of answers, one for each kind of `RewardSettings`."""

from schemas.training_settings import REWARDS, RewardSettings
from trainers.rl.rewards.exact import Exact
from trainers.rl.rewards.f1 import F1
from trainers.rl.rewards.interface import AnswerReward
from trainers.rl.rewards.recall import Recall

_REWARDS: dict[str, type[AnswerReward]] = {"recall": Recall, "f1": F1, "exact": Exact}


def answer_reward_of(settings: RewardSettings) -> AnswerReward:
    """The reward of these settings.

    Raises:
        BadKind: the package that has it cannot be used.
    """
    return (_REWARDS.get(settings.kind) or REWARDS.extension(settings.kind, AnswerReward))(settings)

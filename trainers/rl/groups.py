"""Rollouts of one question as a group, whose rewards are compared with each other and with nothing else."""

import time
from collections.abc import Iterable
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from schemas.records import Question, Trajectory
from tasks.agent.tokenizer import AgentTokenizer
from trainers.model.losses import are_equal, group_advantages
from trainers.model.sequences import sequence_of
from trainers.rl.policy import Experience
from trainers.rl.prompt_ledger import Drop, Fate
from trainers.rl.prompts import Place
from trainers.rl.rewards.earned import Reward, Rewarder, is_signal


class Group(BaseModel):
    """All rollouts of one question that are signal, in the order of their numbers, and what each earned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question_id: str
    place: Place
    trajectories: list[Trajectory]
    rewards: list[Reward]
    failed: int
    """Rollouts left out because a tool or the engine failed."""
    reward_seconds: float = 0.0

    @property
    def is_informative(self) -> bool:
        """Whether there is anything to compare: rewards that are not all the same, but for rounding."""
        return not are_equal([reward.total for reward in self.rewards])

    @property
    def oldest_version(self) -> int:
        """Of the policy that sampled the oldest token; 0 where no engine told."""
        return min(
            (version for row in self.trajectories for segment in row.segments for version in segment.versions or ()),
            default=0,
        )

    def fate(self, step: int, reason: Drop | None = None) -> Fate:
        """Used in this step or, with a reason, dropped."""
        return Fate(
            step=step,
            bound=self.place.bound,
            position=self.place.position,
            question_id=self.question_id,
            outcome="used" if reason is None else "dropped",
            reason=reason,
        )

    def experiences(self, tokenizer: AgentTokenizer) -> list[Experience]:
        """The rollouts as training data: the sampled tokens and the rollout's advantage."""
        advantages = group_advantages([reward.total for reward in self.rewards])
        return [
            Experience(sequence_of(trajectory, tokenizer), advantage)
            for trajectory, advantage in zip(self.trajectories, advantages, strict=True)
        ]


def group_of(question: Question, place: Place, rollouts: Iterable[Trajectory], reward: Rewarder) -> Group:
    """Reward the rollouts of the question at a place.

    Raises:
        ValueError: a rollout is of another question.
        RunFailed: a reward cannot be used.
    """
    rollouts = list(rollouts)
    if any(trajectory.question_id != question.question_id for trajectory in rollouts):
        raise ValueError(f"rollouts of other questions in the group of {question.question_id}")
    began = time.perf_counter()
    kept = [trajectory for trajectory in rollouts if is_signal(trajectory)]
    rewards = [reward(question, trajectory) for trajectory in kept]
    return Group(
        question_id=question.question_id,
        place=place,
        trajectories=kept,
        rewards=rewards,
        failed=len(rollouts) - len(kept),
        reward_seconds=time.perf_counter() - began,
    )


def figures_of(groups: list[Group]) -> dict[str, float]:
    """Means over all rollouts that were generated, informative or not."""
    rewards = [reward for group in groups for reward in group.rewards]
    rollouts = [trajectory for group in groups for trajectory in group.trajectories]
    if not rollouts:
        return {}
    return {
        "reward": fmean(reward.total for reward in rewards),
        "format": fmean(reward.well_formed for reward in rewards),
        "answer_reward": fmean(reward.answer for reward in rewards),
        "recall": fmean(reward.recall for reward in rewards),
        "overlong": fmean(reward.overlong for reward in rewards),
        "answered": fmean(trajectory.answer is not None for trajectory in rollouts),
        "searches": fmean(len(trajectory.searches) for trajectory in rollouts),
        "length": fmean(trajectory.n_tokens for trajectory in rollouts),
        "length_max": max(trajectory.n_tokens for trajectory in rollouts),
        "informative": fmean(group.is_informative for group in groups),
        "failed": sum(group.failed for group in groups),
    }

"""What a rollout earns: for the form of all its turns, and for the answer in its own last turn.

Nothing but the model's own segments is read: an ``<answer>`` inside a retrieved passage or in the prompt earns nothing.
"""

import re
from typing import NamedTuple

from schemas.errors import RunFailed
from schemas.records import Author, EndReason, Question, Trajectory
from schemas.training_settings import DapoSettings
from tasks.agent import scoring
from tasks.agent.protocol import parse_turn
from tasks.agent.trajectory_summary import sampled_tokens
from trainers.model.losses import overlong_penalty
from trainers.rl.rewards.registry import answer_reward_of

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NO_SIGNAL = frozenset({EndReason.TOOL_FAILED, EndReason.ENGINE_FAILED, EndReason.REQUEST_REFUSED})


class Reward(NamedTuple):
    """``total`` is what the policy is trained on. It is made of the form, the ``answer``'s score and the penalty.

    ``recall`` is the answer's token recall, whatever the kind of reward: it is logged, so that trainings compare.
    """

    total: float
    well_formed: bool
    recall: float
    overlong: float
    answer: float


def is_signal(trajectory: Trajectory) -> bool:
    """Whether anything can be learnt from it: not where a tool or the engine failed, or a request was refused."""
    return trajectory.end_reason not in _NO_SIGNAL


class Rewarder:
    """Rewards the rollouts of one training.

    Args:
        max_tokens: the most that the model may write in all turns together.
    """

    def __init__(self, settings: DapoSettings, max_tokens: int) -> None:
        self._settings, self._max_tokens = settings, max_tokens
        self._answer_reward = answer_reward_of(settings.reward)

    def __call__(self, question: Question, trajectory: Trajectory) -> Reward:
        """Format reward + the answer's score, weighted + overlong penalty.

        The answer earns `broken_format_factor` of its reward where the form is broken, and the form then earns nothing.
        The penalty is for what the model wrote; what it read is bounded by itself (`AgentSettings.max_tokens`).

        Raises:
            RunFailed: the score is not a number from 0 to 1.
        """
        weights, answer = self._settings.reward, last_answer(trajectory)
        well_formed = _is_well_formed(trajectory)
        score = 0.0 if answer is None else self._score(question, answer, trajectory)
        recall = scoring.score(question, answer).recall
        overlong = overlong_penalty(_written(trajectory), self._max_tokens, self._settings.overlong_cache)
        factor = 1.0 if well_formed else weights.broken_format_factor
        total = weights.format * well_formed + weights.answer * score * factor + overlong
        return Reward(total, well_formed, recall, overlong, score)

    def _score(self, question: Question, answer: str, trajectory: Trajectory) -> float:
        score = float(self._answer_reward(question, answer, trajectory))
        if not 0.0 <= score <= 1.0:
            kind = self._settings.reward.kind
            raise RunFailed(
                f"reward.kind {kind}: the score of an answer to {question.question_id} is {score}; a score is "
                "from 0 to 1"
            )
        return score


def last_answer(trajectory: Trajectory) -> str | None:
    """The one answer in the last segment, if that is the model's; None where it wrote none or several."""
    if not trajectory.segments or trajectory.segments[-1].author != Author.MODEL:
        return None
    answers = _ANSWER.findall(trajectory.segments[-1].text)
    return answers[0].strip() if len(answers) == 1 else None


def _written(trajectory: Trajectory) -> int:
    """Tokens of the model's own turns; all tokens of a trajectory that was not sampled here, and so keeps no ids."""
    has_ids = all(row.token_ids is not None for row in trajectory.segments if row.author == Author.MODEL)
    return sampled_tokens(trajectory) if has_ids else trajectory.n_tokens


def _is_well_formed(trajectory: Trajectory) -> bool:
    """Every turn is one thought and one act, and the last of them an answer."""
    turns = [parse_turn(segment.text) for segment in trajectory.segments if segment.author == Author.MODEL]
    return bool(turns) and all(turn is not None for turn in turns) and turns[-1].answer is not None  # type: ignore[union-attr]

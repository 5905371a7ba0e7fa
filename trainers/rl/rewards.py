"""What a rollout earns: for the form of all its turns, and for the answer in its own last turn.

Nothing but the model's own segments is read: an ``<answer>`` inside a retrieved passage or in the prompt earns nothing.
"""

import re
from typing import NamedTuple

from schemas.records import Author, EndReason, Question, Trajectory
from schemas.settings import DapoSettings
from tasks.agent import scoring
from tasks.agent.protocol import parse_turn
from tasks.agent.trajectory_summary import sampled_tokens
from trainers.model.losses import overlong_penalty

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_NO_SIGNAL = frozenset({EndReason.TOOL_FAILED, EndReason.ENGINE_FAILED, EndReason.REQUEST_REFUSED})


class Reward(NamedTuple):
    """``total`` is what the policy is trained on; the others are what it is made of."""

    total: float
    well_formed: bool
    recall: float
    overlong: float


def is_signal(trajectory: Trajectory) -> bool:
    """Whether anything can be learnt from it: not where a tool or the engine failed, or a request was refused."""
    return trajectory.end_reason not in _NO_SIGNAL


def reward_of(question: Question, trajectory: Trajectory, settings: DapoSettings, max_tokens: int) -> Reward:
    """Format reward + masked-span recall (or token recall of a question's answer) + overlong penalty.

    The answer earns `broken_format_factor` of its reward where the form is broken, and the form then earns nothing.
    The penalty is for what the model wrote, of ``max_tokens`` that it may write in all; what it read is not its doing,
    and is bounded by itself (`AgentSettings.max_tokens`).
    """
    well_formed = _is_well_formed(trajectory)
    recall = scoring.score(question, last_answer(trajectory)).recall
    overlong = overlong_penalty(_written(trajectory), max_tokens, settings.overlong_cache)
    weights = settings.reward
    factor = 1.0 if well_formed else weights.broken_format_factor
    total = weights.format * well_formed + weights.answer * recall * factor + overlong
    return Reward(total, well_formed, recall, overlong)


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

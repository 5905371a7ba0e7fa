"""What a kind of reward is: a score of the answer. The form and the length are rewarded by the trainer (earned.py)."""

from abc import ABC, abstractmethod
from typing import Any

from schemas.records import Question, Trajectory


class AnswerReward(ABC):
    """Built once for a training, and called for every rollout that ended in an answer."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def __call__(self, question: Question, answer: str, trajectory: Trajectory) -> float:
        """How good the answer is, from 0 to 1. A rollout without an answer scores 0 and is not asked about."""

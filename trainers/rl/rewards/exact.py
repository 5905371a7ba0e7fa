"""The reward `exact`: the share of masks that are filled in exactly, or whether an answer is an exact match."""

from schemas.records import Question, Trajectory
from tasks.agent import scoring
from trainers.rl.rewards.interface import AnswerReward


class Exact(AnswerReward):
    def __call__(self, question: Question, answer: str, trajectory: Trajectory) -> float:
        return scoring.score(question, answer).exact

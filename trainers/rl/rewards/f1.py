"""The reward `f1`: words that do not belong to the answer lower it, so a list of guesses earns less than a name."""

from schemas.records import Question, Trajectory
from tasks.agent import scoring
from trainers.rl.rewards.interface import AnswerReward


class F1(AnswerReward):
    def __call__(self, question: Question, answer: str, trajectory: Trajectory) -> float:
        return scoring.score(question, answer).f1

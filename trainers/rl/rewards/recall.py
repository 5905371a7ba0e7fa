"""The reward `recall`: masked-span recall, or the token recall of a question's answer."""

from schemas.records import Question, Trajectory
from tasks.agent import scoring
from trainers.rl.rewards.interface import AnswerReward


class Recall(AnswerReward):
    def __call__(self, question: Question, answer: str, trajectory: Trajectory) -> float:
        return scoring.score(question, answer).recall

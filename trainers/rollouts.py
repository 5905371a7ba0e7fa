"""What the controller of reinforcement learning, rank 0, asks of engines and search, wherever they live."""

from typing import Protocol

from schemas.jobs import DapoJob
from schemas.records import Question, Trajectory


class Rollouts(Protocol):
    """Engines of one model, which are given new weights as training goes on, and what they search in."""

    async def roll(self, question: Question, rollout: int, seed: int) -> Trajectory:
        """The agent's trajectory number ``rollout`` of a question. Many may be under way, in one event loop.

        It never raises for what engine or search do: such a trajectory ends with a reason that makes it no signal.
        """

    def publish(self, folder: str) -> None:
        """Every engine takes the weights of a model's folder, which may be written over afterwards.

        Raises:
            RunFailed: one does not.
        """

    def score(self, token_ids: list[int]) -> list[list[float]]:
        """By each engine, the log probability of every token but the first given those before it."""

    def close(self) -> None:
        """End the engines and the search."""


def open_rollouts(job: DapoJob) -> Rollouts:
    """Start engines and search where the job places them.

    Raises:
        BadInput: they cannot start from what the job names.
    """
    from trainers.rollouts_here import RolloutsHere

    return RolloutsHere(job)

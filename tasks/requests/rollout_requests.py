"""Questions as requests: several rollouts of each question. Every run of a job has the same requests."""

from typing import NamedTuple

from schemas.records import EndReason, Question, Reject, Trajectory
from tasks.ledger import storage
from tasks.requests.scheduling import Request, request_of

FAILED = frozenset({EndReason.TOOL_FAILED, EndReason.ENGINE_FAILED})
"""End reasons that say nothing about the model. Such a rollout is run again, and is never used for training."""


class Rollout(NamedTuple):
    """A rollout of a question; ``number`` counts its rollouts from 0."""

    question: Question
    number: int


def rollout_requests(paths: list[str], rollouts: int, fingerprint: str) -> list[Request[Rollout]]:
    """The requests for all questions of these Parquet files, in the files' order."""
    return [
        request_of(Rollout(question, number), fingerprint, question.question_id, number)
        for path in paths
        for question in storage.read_rows(path, Question)
        for number in range(rollouts)
    ]


def failed(trajectory: Trajectory) -> Reject:
    """The reject of a rollout that failed."""
    return Reject(
        snapshot=trajectory.snapshot,
        row_id=trajectory.trajectory_id,
        reason=trajectory.end_reason,
        failed=True,
        detail="see job.log",
    )

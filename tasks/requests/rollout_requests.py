"""Questions as requests: each question asked a number of times, the same requests in every run of a job."""

from typing import NamedTuple

from schemas.records import EndReason, Question, Reject, Trajectory
from tasks.ledger import storage
from tasks.requests.scheduling import Request, request_of

FAILED = frozenset({EndReason.TOOL_FAILED, EndReason.ENGINE_FAILED})
"""Ends that say nothing about who was asked: such a rollout is asked again, and never training signal."""


class Rollout(NamedTuple):
    """The n-th asking of a question, from 0."""

    question: Question
    number: int


def rollout_requests(paths: list[str], rollouts: int, fingerprint: str) -> list[Request[Rollout]]:
    """Requests for all questions of these Parquet files, in their order."""
    return [
        request_of(Rollout(question, number), fingerprint, question.question_id, number)
        for path in paths
        for question in storage.read_rows(path, Question)
        for number in range(rollouts)
    ]


def failed(trajectory: Trajectory) -> Reject:
    return Reject(
        snapshot=trajectory.snapshot,
        row_id=trajectory.trajectory_id,
        reason=trajectory.end_reason,
        failed=True,
        detail="see job.log",
    )

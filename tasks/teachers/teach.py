"""``python -m tasks.teachers.teach CONFIG.json`` (`schemas.jobs.TeacherJob`): a teacher at work, request by request.

As with the student (student.py), what is answered is never asked again, whatever ends the process.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from retrieval_index.client import BatchingSearcher
from retrieval_index.opening import open_index
from schemas.errors import BadInput
from schemas.jobs import TeacherJob
from schemas.records import EndReason, Reject, Trajectory
from schemas.seams import ChatModelSettings
from tasks import jobs
from tasks.agent.judges import judge_of
from tasks.agent.tokenizer import AgentTokenizer
from tasks.agent.trajectory_summary import figures_of, sampled_tokens
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.requests.chat import ChatEndpoint
from tasks.requests.rollout_requests import FAILED, Rollout, failed, rollout_requests
from tasks.requests.scheduling import Meter, Refused, Schedule, laid_out, run_job, seed_of
from tasks.teachers.interface import TeacherContext, trajectory_of
from tasks.teachers.registry import teacher_of

_IN_FLIGHT = 64
"""Questions at one time of a teacher that asks no endpoint."""


def teach_questions(job: TeacherJob) -> dict[str, Any]:
    """Teach every question ``settings.rollouts`` times; gives back the figures of all of them."""
    return run_job(_teach_questions(job))


async def _teach_questions(job: TeacherJob) -> dict[str, Any]:
    settings = job.settings
    parts = Parts(job.output, job.fingerprint, Trajectory, job.snapshot)
    requests = laid_out(rollout_requests(job.questions, settings.rollouts, job.fingerprint), settings.part_rows)
    schedule = Schedule(parts, Trajectory, requests, job.endpoint.in_flight if job.endpoint else _IN_FLIGHT)
    meter = Meter(job.output, sum(map(len, requests.values())), schedule.missing, "trajectories")
    searcher = BatchingSearcher(open_index(job.index))
    tokenizer = AgentTokenizer.load(job.tokenizer) if job.tokenizer else None
    judge = judge_of(settings.judge)
    async with _endpoint_of(job) as endpoint:
        context = TeacherContext(searcher, job.agent, job.label, tokenizer, endpoint)
        teacher = teacher_of(settings, context)

        async def ask(asked: Rollout) -> Trajectory | Reject | Refused[Trajectory]:
            question, number = asked
            seed = seed_of(settings.seed, question.question_id, number)
            trajectory = await trajectory_of(teacher, settings.kind, question, number, seed, judge)
            if trajectory.end_reason in FAILED:
                return failed(trajectory)
            meter.add(sampled_tokens(trajectory))
            if endpoint is not None and trajectory.end_reason == EndReason.REQUEST_REFUSED:
                return Refused(trajectory, endpoint.refusal)
            return trajectory

        await schedule.run(ask)
    return figures_of(row for key in requests for row in storage.read_rows(parts.data_path(key), Trajectory))


@asynccontextmanager
async def _endpoint_of(job: TeacherJob) -> AsyncIterator[ChatEndpoint | None]:
    """The chat model, for a teacher that asks one."""
    settings = job.settings
    if not isinstance(settings, ChatModelSettings):
        yield None
        return
    if job.endpoint is None:
        raise BadInput(
            f"teacher.kind {settings.kind} needs runtime.teacher_endpoint.url (an OpenAI-compatible address)"
        )
    async with ChatEndpoint(job.endpoint, settings.model, settings.temperature) as endpoint:
        yield endpoint


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(TeacherJob, teach_questions)

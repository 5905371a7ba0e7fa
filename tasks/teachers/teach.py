"""``python -m tasks.teachers.teach CONFIG.json`` (`schemas.jobs.TeacherJob`): the multi-agent teacher at work.

As with the student (student.py), what is answered is never asked again, whatever ends the process.
"""

import logging
from typing import Any

from retrieval_index.client import BatchingSearcher
from retrieval_index.opening import open_index
from schemas.jobs import TeacherJob
from schemas.records import EndReason, Reject, Trajectory
from tasks import jobs
from tasks.agent.tokenizer import AgentTokenizer
from tasks.agent.trajectory_summary import figures_of, sampled_tokens
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.requests.chat import ChatEndpoint
from tasks.requests.rollout_requests import FAILED, Rollout, failed, rollout_requests
from tasks.requests.scheduling import Meter, Refused, Schedule, laid_out, run_job, seed_of
from tasks.teachers.multi_agent import MultiAgentTeacher


def teach_questions(job: TeacherJob) -> dict[str, Any]:
    """Teach every question ``settings.rollouts`` times; gives back the figures of all of them."""
    return run_job(_teach_questions(job))


async def _teach_questions(job: TeacherJob) -> dict[str, Any]:
    parts = Parts(job.output, job.fingerprint, Trajectory, job.snapshot)
    requests = laid_out(rollout_requests(job.questions, job.settings.rollouts, job.fingerprint), job.settings.part_rows)
    schedule = Schedule(parts, Trajectory, requests, job.endpoint.in_flight)
    meter = Meter(job.output, sum(map(len, requests.values())), schedule.missing, "trajectories")
    searcher = BatchingSearcher(open_index(job.index))
    tokenizer = AgentTokenizer.load(job.tokenizer) if job.tokenizer else None
    async with ChatEndpoint(job.endpoint, job.settings.model, job.settings.temperature) as endpoint:
        teacher = MultiAgentTeacher(endpoint, searcher, job.agent, job.label, tokenizer)

        async def ask(asked: Rollout) -> Trajectory | Reject | Refused[Trajectory]:
            seed = seed_of(job.settings.seed, asked.question.question_id, asked.number)
            trajectory = await teacher.teach(asked.question, asked.number, seed)
            if trajectory.end_reason in FAILED:
                return failed(trajectory)
            meter.add(sampled_tokens(trajectory))
            if trajectory.end_reason == EndReason.REQUEST_REFUSED:
                return Refused(trajectory, endpoint.refusal)
            return trajectory

        await schedule.run(ask)
    return figures_of(row for key in requests for row in storage.read_rows(parts.data_path(key), Trajectory))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(TeacherJob, teach_questions)

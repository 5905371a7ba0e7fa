"""``python -m tasks.teachers.student CONFIG.json`` (`schemas.jobs.RolloutJob`): a model answers questions, judged.

This is how self-evolution gets its data: the fine-tuned model is the teacher. Told to stop (SIGTERM), it keeps what is
answered and exits with `tasks.jobs.TERMINATED`; whatever ends it, the next run asks only what has no answer.
"""

import logging
from typing import Any

from schemas.jobs import RolloutJob
from schemas.records import Reject, Trajectory
from tasks import jobs
from tasks.agent.environment import TurnSampling
from tasks.agent.judges import judge_of
from tasks.agent.trajectory_summary import figures_of, sampled_tokens
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.requests.rollout_requests import FAILED, Rollout, failed, rollout_requests
from tasks.requests.scheduling import Meter, Schedule, laid_out, run_job, seed_of
from tasks.rollouts.pool import RolloutPool, in_flight, start_pool
from tasks.rollouts.worker import RolloutSetup


def answer_questions(job: RolloutJob) -> dict[str, Any]:
    """Answer every question ``settings.rollouts`` times; gives back the figures of all of them."""
    return run_job(_answer_questions(job))


async def _answer_questions(job: RolloutJob) -> dict[str, Any]:
    parts = Parts(job.output, job.fingerprint, Trajectory, job.snapshot)
    requests = laid_out(rollout_requests(job.questions, job.settings.rollouts, job.fingerprint), job.settings.part_rows)
    schedule = Schedule(parts, Trajectory, requests, in_flight(job.engine, job.placement))
    speed = {}
    if schedule.missing:
        setup = RolloutSetup(job.model, job.tokenizer, job.index, job.agent, job.engine)
        pool = await start_pool(setup, job.placement)
        try:
            meter = Meter(job.output, sum(map(len, requests.values())), schedule.missing, "rollouts")
            await schedule.run(_Student(job, pool, meter).ask)
            speed = {"tokens_per_second": round(meter.tokens_per_second(), 1), "workers_replaced": pool.replaced}
        finally:
            await pool.close()
    await schedule.commit_whole()
    rows = (row for key in requests for row in storage.read_rows(parts.data_path(key), Trajectory))
    return {**figures_of(rows), **speed}


class _Student:
    """Asks the model, and judges what it says."""

    def __init__(self, job: RolloutJob, pool: RolloutPool, meter: Meter) -> None:
        self._job, self._pool, self._meter = job, pool, meter
        self._judge = judge_of(job.settings.judge)

    async def ask(self, asked: Rollout) -> Trajectory | Reject:
        settings = self._job.settings
        seed = seed_of(settings.seed, asked.question.question_id, asked.number)
        sampling = TurnSampling(settings.temperature, seed=seed)
        trajectory = await self._pool.roll(asked, sampling, label=self._job.label, model=self._job.model_name)
        if trajectory.end_reason in FAILED:
            return failed(trajectory)
        self._meter.add(sampled_tokens(trajectory))
        return trajectory.model_copy(update={"verdict": self._judge(asked.question, trajectory)})


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(RolloutJob, answer_questions)

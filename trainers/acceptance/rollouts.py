"""``python -m trainers.acceptance.rollouts CONFIG.json`` (`schemas.jobs.RolloutRateJob`): the engines' generation rate.

A model with random weights never ends a turn. So each turn runs to the token limit and is then closed with a search
about the question. The agent loop, growing contexts and searches are those of real rollouts, and the lengths are the
longest that the settings allow.
"""

import asyncio
import itertools
import time
from typing import Any

from schemas.jobs import RolloutRateJob
from schemas.records import Question, Trajectory
from tasks import jobs
from tasks.agent.environment import TurnSampling
from tasks.agent.protocol import TAGS, neutralise
from tasks.agent.trajectory_summary import sampled_tokens
from tasks.requests.rollout_requests import FAILED, Rollout
from tasks.requests.scheduling import run_job, seed_of
from tasks.rollouts.pool import RolloutPool, in_flight, start_pool
from tasks.rollouts.worker import RolloutSetup
from trainers.acceptance.queries import queries_of, questions_in


def measure(job: RolloutRateJob) -> dict[str, Any]:
    """Generate rollouts for ``job.seconds``, as many at a time as the engines allow, and wait for the last ones."""
    return run_job(_measure(job))


async def _measure(job: RolloutRateJob) -> dict[str, Any]:
    questions = questions_in(job.questions)
    setup = RolloutSetup(job.model, job.tokenizer, job.index, job.agent, job.engine)
    pool = await start_pool(setup, job.placement)
    try:
        load = _Load(job, pool, questions)
        await load.roll(0)  # warm-up: compilation and caches of the engine must not be measured
        load.rows.clear()
        return await load.run()
    finally:
        await pool.close()


class _Load:
    """As many concurrent rollouts as the pool allows; when one ends, the next begins."""

    def __init__(self, job: RolloutRateJob, pool: RolloutPool, questions: list[Question]) -> None:
        self._job, self._pool, self._questions = job, pool, questions
        self._queries = [query.text for query in queries_of(questions, job.agent)]
        self.rows: list[Trajectory] = []

    async def run(self) -> dict[str, Any]:
        before = await self._pool.usage()
        began = time.perf_counter()
        numbers = itertools.count(1)

        async def take_turns() -> None:
            while time.perf_counter() - began < self._job.seconds:
                await self.roll(next(numbers))
                passed = min(round(time.perf_counter() - began), round(self._job.seconds))
                jobs.report_progress(self._job.output, passed, round(self._job.seconds), "seconds")

        await asyncio.gather(*(take_turns() for _ in range(in_flight(self._job.engine, self._job.placement))))
        seconds = time.perf_counter() - began
        sampling = [now.sampling - then.sampling for now, then in zip(await self._pool.usage(), before, strict=True)]
        tokens = sum(map(sampled_tokens, self.rows))
        return {
            "rollouts": len(self.rows),
            "failed": sum(row.end_reason in FAILED for row in self.rows),
            "searches": sum(len(row.searches) for row in self.rows),
            "generated_tokens": tokens,
            "seconds": round(seconds, 2),
            "engines": len(sampling),
            "tokens_per_second": round(tokens / seconds, 1),
            "engine_busy": round(sum(sampling) / (seconds * len(sampling)), 4),
        }

    async def roll(self, number: int) -> None:
        which = number % len(self._questions)
        sampling = TurnSampling(
            temperature=1.0,
            seed=seed_of(1, "acceptance", number),
            banned_tags=TAGS,
            opening="<think>",
            closing=f"</think><search>{neutralise(self._queries[which])}</search>",
        )
        asked = Rollout(self._questions[which], number)
        self.rows.append(await self._pool.roll(asked, sampling, label="acceptance", model="acceptance"))


if __name__ == "__main__":
    jobs.main(RolloutRateJob, measure)

"""``python -m tasks.evaluation.answer CONFIG.json`` (`schemas.jobs.EvaluationJob`): models answer the same questions.

The engines take the contestants' weights one after the other. Each contestant answers every question greedily and
sampled, all in one batch; its answers are parts of its own folder, so that a killed job asks nothing twice.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from schemas.errors import BadInput
from schemas.jobs import Contestant, EvaluationJob
from schemas.records import Answer, Author, Question, Reject, Trajectory
from tasks import jobs
from tasks.agent.environment import TurnSampling
from tasks.agent.scoring import score
from tasks.agent.support import support_recall
from tasks.agent.trajectory_summary import sampled_tokens
from tasks.evaluation.metrics import Columns
from tasks.evaluation.questions import DECODINGS, Decoding
from tasks.evaluation.random_retrieval import RandomRetrieval
from tasks.evaluation.ways import RANDOM, method_of
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.requests.rollout_requests import FAILED, Rollout, failed
from tasks.requests.scheduling import Meter, Request, Schedule, laid_out, request_of, run_job, seed_of
from tasks.rollouts.admission import refuse_other_shapes
from tasks.rollouts.pool import RolloutPool, in_flight, start_pool
from tasks.rollouts.worker import RolloutSetup
from tasks.weights.new_weights import NewWeights


class _Asked(NamedTuple):
    question: Question
    decoding: Decoding


def answer_all(job: EvaluationJob) -> dict[str, Any]:
    """Every contestant's answers; returns figures by the label of its folder, and the number of answers ``wanted``."""
    return run_job(_answer_all(job))


async def _answer_all(job: EvaluationJob) -> dict[str, Any]:
    if not job.engine.loads_models:
        raise BadInput("evaluation loads one model after the other into its engine: runtime.engine.kind must be vllm")
    asked = {name: list(storage.read_rows(path, Question)) for name, path in job.questions.items()}
    rounds = [_Round(job, contestant, asked[contestant.set]) for contestant in job.contestants]
    asking = [each for each in rounds if each.schedule.missing]
    if asking:
        missing = sum(each.schedule.missing for each in asking)
        meter = Meter(job.output, sum(each.total for each in rounds), missing, "answers")
        refuse_other_shapes(asking[0].contestant.model, [each.contestant.model for each in asking[1:]])
        pool = await start_pool(_setup(job, asking[0].contestant.model), job.placement)
        try:
            await _take_turns(asking, pool, meter)
        finally:
            await pool.close()
    for each in rounds:
        await each.schedule.commit_whole()
    return {Path(each.contestant.output).name: each.figures() for each in rounds}


def _setup(job: EvaluationJob, model: str) -> RolloutSetup:
    protocols = [each.protocol for each in job.contestants]
    return RolloutSetup(
        model,
        job.tokenizer,
        job.index,
        job.agent,
        job.engine,
        retrievals={RANDOM: RandomRetrieval(job.passages, job.settings.seed)},
        protocols=[protocol for protocol in protocols if protocol is not None],
        has_own_protocol=None in protocols,
    )


async def _take_turns(asking: list["_Round"], pool: RolloutPool, meter: Meter) -> None:
    """Ask one contestant after the other; the pool was started with the first one's model."""
    loaded = asking[0].contestant.model
    for version, each in enumerate(asking):
        if each.contestant.model != loaded:
            loaded = each.contestant.model
            await pool.publish(NewWeights(loaded, version))
        await each.schedule.run(_Contest(each, pool, meter).ask)


class _Round:
    """One contestant's questions, and what of them is unanswered."""

    def __init__(self, job: EvaluationJob, contestant: Contestant, questions: list[Question]) -> None:
        self.job, self.contestant = job, contestant
        self._parts = Parts(contestant.output, contestant.fingerprint, Answer, job.snapshot)
        self._requests: dict[str, list[Request[_Asked]]] = {}
        for decoding in DECODINGS:
            asked = [
                request_of(_Asked(question, decoding), contestant.fingerprint, question.question_id, decoding)
                for question in questions
            ]
            self._requests |= laid_out(asked, job.settings.part_rows, f"{decoding}-")
        self.schedule = Schedule(self._parts, Answer, self._requests, in_flight(job.engine, job.placement))

    @property
    def total(self) -> int:
        return sum(map(len, self._requests.values()))

    def figures(self) -> dict[str, Any]:
        rows = [row for key in self._requests for row in storage.read_rows(self._parts.data_path(key), Answer)]
        found: dict[str, Any] = {each: _means(row for row in rows if row.decoding == each) for each in DECODINGS}
        return found | {"wanted": self.total}


class _Contest:
    """One contestant at work."""

    def __init__(self, each: _Round, pool: RolloutPool, meter: Meter) -> None:
        self._job, self._contestant = each.job, each.contestant
        self._pool, self._meter = pool, meter
        self._method = method_of(self._contestant.way, self._contestant.retrieval, self._contestant.protocol)

    async def ask(self, asked: _Asked) -> Answer | Reject:
        trajectory = await self._pool.roll(
            Rollout(asked.question, 0),
            self._sampling(asked),
            label=f"{self._contestant.name}-{self._contestant.way}-{self._contestant.retrieval}-{asked.decoding}",
            model=self._contestant.name,
            retrieval=self._method.search,
        )
        if trajectory.end_reason in FAILED:
            return failed(trajectory)
        self._meter.add(sampled_tokens(trajectory))
        return self._answer_of(asked, trajectory)

    def _sampling(self, asked: _Asked) -> TurnSampling:
        settings, method = self._job.settings, self._method
        is_greedy = asked.decoding == "greedy"
        return TurnSampling(
            temperature=0.0 if is_greedy else settings.temperature,
            seed=None if is_greedy else seed_of(settings.seed, asked.question.question_id),
            banned_tags=method.banned_tags,
            opening=method.opening,
            searches_first=method.searches_first,
            protocol=self._contestant.protocol,
        )

    def _answer_of(self, asked: _Asked, trajectory: Trajectory) -> Answer:
        scores, protocol = score(asked.question, trajectory.answer), self._contestant.protocol
        return Answer(
            snapshot=self._job.snapshot,
            model=self._contestant.name,
            way=self._contestant.way,
            retrieval=self._contestant.retrieval,
            decoding=asked.decoding,
            set=self._contestant.set,
            question_id=asked.question.question_id,
            n_masks=asked.question.n_masks,
            gold=asked.question.gold,
            answer=trajectory.answer,
            recall=scores.recall,
            f1=scores.f1,
            exact=scores.exact,
            searches=trajectory.searches,
            n_tokens=trajectory.n_tokens,
            end_reason=trajectory.end_reason,
            hops=0 if asked.question.n_masks else asked.question.hops,
            type=asked.question.type,
            substring=scores.substring,
            support_recall=support_recall(asked.question.support, trajectory.searches),
            protocol=None if protocol is None else protocol.name,
            corrected=0 if protocol is None else _corrections(trajectory, protocol.correction),
        )


def _corrections(trajectory: Trajectory, correction: str | None) -> int:
    """The number of turns after which the environment let the model try again."""
    said = [segment.text for segment in trajectory.segments if segment.author == Author.ENVIRONMENT]
    return 0 if correction is None else said.count(correction)


def _means(answers: Iterable[Answer]) -> dict[str, Any]:
    """Means of the metrics and of the tokens, and the number of answers by reason of their end."""
    rows = list(answers)
    known = {name: values[~np.isnan(values)] for name, values in Columns.of(rows).values.items()}
    return {
        **{name: float(values.mean()) for name, values in known.items()},
        "tokens": fmean(row.n_tokens for row in rows),
        "end_reasons": dict(sorted(Counter(str(row.end_reason) for row in rows).items())),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    jobs.main(EvaluationJob, answer_all)

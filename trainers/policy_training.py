"""The loop of reinforcement learning: generate, reward, update, hand the weights over; resumable at every step.

All ranks run it. What rank 0 alone does (rollouts, engines, files for people) the others wait for, and get.
"""

import logging
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from schemas.jobs import DapoJob
from tasks import jobs
from tasks.rollouts.tokenizer import AgentTokenizer
from trainers.checkpoint import Checkpoints
from trainers.deepspeed_engine import TrainingEngine, learning_rate
from trainers.generation import Cursor, Generation, Harvest, Interrupted
from trainers.groups import figures_of
from trainers.metrics import Metrics
from trainers.parity import EngineWeights
from trainers.policy import PolicyUpdate, Sample
from trainers.rank_zero import on_rank_0
from trainers.stopping import StopSignal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Generated:
    """What rank 0 gives all ranks for a step: what to train on (maybe nothing), where to go on, and its figures."""

    samples: list[Sample]
    cursor: Cursor
    figures: dict[str, Any]


_NO_UPDATE = {"loss": 0.0, "lr": 0.0, "grad_norm": 0.0, "trained_tokens": 0}


class PolicyTraining:
    """One training by DAPO: `run` goes on from the newest checkpoint, and ends with the last step or by SystemExit.

    All ranks make one and run it together; ``generation`` is used by rank 0 alone.
    """

    def __init__(
        self,
        job: DapoJob,
        trainer: TrainingEngine,
        weights: EngineWeights,
        generation: Generation | None,
        tokenizer: AgentTokenizer,
        stop: StopSignal,
    ) -> None:
        self._job, self._settings, self._trainer = job, job.settings, trainer
        self._weights, self._generation, self._tokenizer, self._stop = weights, generation, tokenizer, stop
        output = Path(job.output)
        self._checkpoints = Checkpoints(output / "checkpoints", trainer, job.keep_checkpoints)
        self._metrics = Metrics(output / "metrics.jsonl")
        self._saved = 0
        updates = self._settings.steps * self._settings.minibatches
        self._update = PolicyUpdate(
            trainer, self._settings, lambda number: learning_rate(number, updates, self._settings.optimiser)
        )

    def run(self) -> dict[str, Any]:
        """All steps that are left; the figures of the whole training."""
        progress = self._checkpoints.restore() or {"step": 0, "cursor": {}}
        first, cursor = progress["step"], Cursor.model_validate(progress["cursor"])
        self._saved = first
        if self._trainer.rank == 0:
            self._metrics.go_on_from(first)
        self._weights.publish()
        stages = list(chain.from_iterable([stage.max_masks] * stage.steps for stage in self._settings.curriculum))
        total = len(stages)
        for done, max_masks in enumerate(stages[first:], start=first + 1):
            try:
                line, cursor = self._step(done - 1, cursor, max_masks)
            except Interrupted:
                self._save(done - 1, cursor)
                raise SystemExit(jobs.TERMINATED) from None
            if self._trainer.rank == 0:
                self._tell(done, total, {"step": done, "stage": max_masks, **line})
            (stopping,) = self._trainer.sum_over_ranks(float(self._stop.received))
            if stopping or done == total or done % self._settings.checkpoint_every == 0:
                self._save(done, cursor)
            if stopping and done < total:
                raise SystemExit(jobs.TERMINATED)
        return self._figures()

    def _step(self, number: int, cursor: Cursor, max_masks: int) -> tuple[dict[str, Any], Cursor]:
        began = time.perf_counter()
        made = on_rank_0(self._trainer, lambda: self._generate(cursor, max_masks))
        generated = time.perf_counter()
        update: dict[str, float] = dict(_NO_UPDATE)
        parity: dict[str, float] = {}
        if made.samples:
            update = self._update.run(number, made.samples)
        trained = time.perf_counter()
        if made.samples:
            parity = {"parity": self._weights.publish()}
        ended = time.perf_counter()
        line = {
            **made.figures,
            **update,
            **parity,
            "seconds": round(ended - began, 3),
            "seconds_generation": round(generated - began, 3),
            "seconds_training": round(trained - generated, 3),
            "seconds_update": round(ended - trained, 3),
        }
        return line, made.cursor

    def _generate(self, cursor: Cursor, max_masks: int) -> _Generated:
        assert self._generation is not None, "rank 0 generates"
        harvest, then = self._generation.collect(cursor, max_masks)
        samples = [sample for group in harvest.groups for sample in group.samples(self._tokenizer)]
        return _Generated(samples, then, _generation_figures(harvest))

    def _save(self, step: int, cursor: Cursor) -> None:
        if step == self._saved:
            return
        self._saved = step
        self._checkpoints.save(step, {"cursor": cursor.model_dump(mode="json")})

    def _tell(self, done: int, total: int, line: dict[str, Any]) -> None:
        self._metrics.add(line)
        self._watch(done, line)
        note = f"reward {line['reward']:.3f}" if "reward" in line else ""
        jobs.report_progress(self._job.output, done, total, "steps", note)

    def _watch(self, step: int, line: dict[str, float]) -> None:
        """Say so where the sampler has drifted from the trainer: the signs that come before a collapse."""
        importance, ess = line.get("importance", 1.0), line.get("importance_ess", 1.0)
        if not 0.5 <= importance <= 2.0 or ess < 0.3:
            _log.warning("step %d: importance weights of mean %.2f, effective share %.2f", step, importance, ess)

    def _figures(self) -> dict[str, Any]:
        lines = self._metrics.lines()
        rewards = [line["reward"] for line in lines if "reward" in line]
        kinds = ("seconds_generation", "seconds_training", "seconds_update")
        return {
            "steps": len(lines),
            "updates_skipped": sum(not line["trained_tokens"] for line in lines),
            "rollouts": sum(line["rollouts"] for line in lines),
            "generated_tokens": sum(line["generated_tokens"] for line in lines),
            "reward_first": round(sum(rewards[:3]) / max(1, len(rewards[:3])), 4),
            "reward_last": round(sum(rewards[-3:]) / max(1, len(rewards[-3:])), 4),
            **{kind: round(sum(line[kind] for line in lines), 1) for kind in kinds},
        }


def _generation_figures(harvest: Harvest) -> dict[str, Any]:
    rollouts = [trajectory for group in harvest.drawn for trajectory in group.trajectories]
    return {
        **figures_of(harvest.drawn),
        "groups": len(harvest.groups),
        "informative_groups": sum(group.is_informative for group in harvest.drawn),
        "generation_batches": harvest.batches,
        "rollouts": len(rollouts),
        "tokens": sum(trajectory.n_tokens for trajectory in rollouts),
        "generated_tokens": sum(len(segment.logprobs or ()) for row in rollouts for segment in row.segments),
    }

"""The loop of reinforcement learning: generate, reward, update, publish the weights; resumable at every step.

All ranks run it. For the work of rank 0 (trainers.rl.controller) the others wait, and receive its result.
"""

import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from schemas.jobs import DapoJob
from tasks import jobs
from trainers.model.metrics import refuse_divergence
from trainers.ranks.checkpoint import Checkpoints
from trainers.ranks.deepspeed_engine import TrainingEngine, learning_rate
from trainers.ranks.origin import CHECKPOINTS, origin_of
from trainers.ranks.rank_zero import on_rank_0
from trainers.ranks.stopping import Interrupted, StopSignal
from trainers.rl.controller import Controller
from trainers.rl.generation import Cursor
from trainers.rl.parity import EngineWeights
from trainers.rl.policy import PolicyUpdate

Result = TypeVar("Result")

_NO_UPDATE = {"loss": 0.0, "lr": 0.0, "grad_norm": 0.0, "trained_tokens": 0}


class PolicyTraining:
    """One training by DAPO: `run` resumes from the newest checkpoint and ends after the last step or by SystemExit.

    All ranks create one and run it together; only rank 0 has a ``controller``.
    """

    def __init__(
        self,
        job: DapoJob,
        trainer: TrainingEngine,
        weights: EngineWeights,
        controller: Controller | None,
        stop: StopSignal,
    ) -> None:
        self._settings, self._trainer, self._weights = job.settings, trainer, weights
        self._controller, self._stop = controller, stop
        folder = Path(job.output) / CHECKPOINTS
        self._checkpoints = Checkpoints(folder, trainer, job.keep_checkpoints, origin_of(job))
        self._saved = 0
        updates = self._settings.steps * self._settings.minibatches
        self._update = PolicyUpdate(
            trainer, self._settings, lambda number: learning_rate(number, updates, self._settings.optimiser)
        )

    def run(self) -> dict[str, Any]:
        """Run all remaining steps; returns the figures of the whole training."""
        progress = self._checkpoints.restore() or {"step": 0, "cursor": {}}
        first, cursor = progress["step"], Cursor.model_validate(progress["cursor"])
        self._saved = first
        self._weights.publish(first)
        self._on_rank_0(lambda controller: controller.go_on_from(first))
        phases = list(chain.from_iterable([phase.bound or 0] * phase.steps for phase in self._settings.curriculum))
        total = len(phases)
        for done, bound in enumerate(phases[first:], start=first + 1):
            try:
                line, cursor = self._step(done, cursor, bound)
            except Interrupted:
                self._save(done - 1, cursor)
                raise SystemExit(jobs.TERMINATED) from None
            if self._controller is not None:
                self._controller.record_step(done, total, {"step": done, "phase": bound, **line})
            # A stop request reaches ranks at different times: agree on it, so that all ranks leave at the same step.
            (stopping,) = self._trainer.sum_over_ranks(float(self._stop.received))
            if stopping or done == total or done % self._settings.checkpoint_every == 0:
                self._save(done, cursor)
            if stopping and done < total:
                raise SystemExit(jobs.TERMINATED)
        return self._on_rank_0(lambda controller: controller.figures())

    def _step(self, number: int, cursor: Cursor, bound: int) -> tuple[dict[str, Any], Cursor]:
        """Run step ``number`` (from 1); returns its figures and the next cursor."""
        began = time.perf_counter()
        step = self._on_rank_0(lambda controller: controller.generate(number, cursor, bound))
        generated = ready = trained = time.perf_counter()
        update: dict[str, float] = dict(_NO_UPDATE)
        if step.experiences:
            self._weights.make_room()
            ready = time.perf_counter()
            update = self._update.run(number - 1, step.experiences)
            refuse_divergence(number, {"loss": update["loss"], "norm of the gradient": update["grad_norm"]})
            trained = time.perf_counter()
            update["parity"] = self._weights.publish(number)
            if self._controller is not None:
                self._controller.published()
        ended = time.perf_counter()
        line = {
            **step.figures,
            **update,
            "seconds": round(ended - began, 3),
            "seconds_training": round(trained - ready, 3),
            "seconds_update": round(ended - trained + ready - generated, 3),
        }
        return line, step.cursor

    def _on_rank_0(self, work: Callable[[Controller], Result]) -> Result:
        def here() -> Result:
            assert self._controller is not None, "rank 0 has the controller"
            return work(self._controller)

        return on_rank_0(self._trainer, here)

    def _save(self, step: int, cursor: Cursor) -> None:
        if step == self._saved:
            return
        self._saved = step
        self._checkpoints.save(step, {"cursor": cursor.model_dump(mode="json")})

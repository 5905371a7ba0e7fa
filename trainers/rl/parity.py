"""New weights for the engines, and the check that engines and trainer then give a text the same probabilities."""

import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from schemas.errors import RunFailed
from schemas.runtime import PlacementRuntime
from tasks.engines.interface import DISAGREEMENT
from tasks.weights.new_weights import NewWeights
from tasks.weights.sketches import Sketches, most_different
from trainers.model.metrics import refuse_divergence
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.rank_zero import on_rank_0
from trainers.rl import neighbours
from trainers.rl.rollouts import Rollouts


class EngineWeights:
    """Keeps the engines' weights equal to the trainer's. ``probe`` is the token ids of a fixed text.

    Every rank has one, because whole weights need all ranks; only rank 0 uses ``rollouts``.
    """

    def __init__(
        self,
        trainer: TrainingEngine,
        rollouts: Rollouts | None,
        probe: list[int],
        tolerance: float,
        scratch: Path,
        placement: PlacementRuntime,
    ) -> None:
        self._trainer, self._rollouts, self._probe = trainer, rollouts, probe
        self._tolerance, self._scratch, self._placement = tolerance, scratch, placement
        self.version = 0
        """The version of the weights that was published last."""

    def make_room(self) -> None:
        """In layout `shared`, put the engines to sleep until the next `publish`. All ranks call this together."""
        if self._placement.takes_turns:
            on_rank_0(self._trainer, self._have_engines_sleep)

    def publish(self, version: int) -> float:
        """Give the trainer's weights to the engines; returns the largest difference of log probabilities on the probe.

        All ranks call this together.

        Raises:
            RunFailed: the difference exceeds the tolerance, so the engines would sample from another policy than the
                trained one; the message names the layer that differs most. Or the trainer's own values are not finite.
        """
        # Score the probe first: in layout `shared` publishing wakes the engines, which then take the GPUs' memory.
        ours = self._logprobs()
        refuse_divergence(version, {"log probability of the probe": sum(ours)})
        self._trainer.leave_room()
        if self._placement.weights == "ipc":
            weights = neighbours.show(self._trainer, self._rollouts, version)
        else:
            weights = self._trainer.whole_weights()
        gap = on_rank_0(self._trainer, lambda: self._hand_over(ours, weights, version))
        self.version = version
        if not gap <= self._tolerance:  # written like this, so that NaN fails as well
            # `gap` is the same on all ranks, so all of them come here. Sketches need all ranks under ZeRO 3.
            sketches = self._trainer.sketches()
            on_rank_0(self._trainer, lambda: self._stop(gap, sketches))
        return gap

    def _have_engines_sleep(self) -> None:
        assert self._rollouts is not None, "rank 0 has the engines"
        self._rollouts.sleep()

    def _logprobs(self) -> list[float]:
        """The trainer's log probabilities of the probe."""
        tokens_BT = torch.tensor([self._probe], device=self._trainer.device)
        with torch.no_grad():
            return self._trainer.score(tokens_BT, torch.ones_like(tokens_BT, dtype=torch.bool)).logprobs_N.tolist()

    def _hand_over(self, ours: list[float], weights: dict[str, torch.Tensor] | None, version: int) -> float:
        assert self._rollouts is not None and weights is not None, "rank 0 has the engines, and whole weights"
        self._scratch.mkdir(parents=True, exist_ok=True)
        folder = self._scratch / str(version)
        self._rollouts.publish(NewWeights(str(folder), version, weights))
        # `publish` returns when every engine has the new version, so no engine reads older folders. The newest one is
        # kept: an engine that is replaced later loads the weights from it.
        for older in set(self._scratch.iterdir()) - {folder}:
            shutil.rmtree(older)
        gaps = [
            abs(one - other)
            for theirs in self._rollouts.score(self._probe)
            for one, other in zip(ours, theirs, strict=True)
        ]
        return float(np.max(gaps))  # NaN if any gap is NaN; Python's `max` would ignore it

    def _stop(self, gap: float, ours: Sketches) -> NoReturn:
        assert self._rollouts is not None, "rank 0 has the engines"
        found = [most_different(ours, theirs) for theirs in self._rollouts.sketches()]
        layer, distance = max(found, key=lambda named: named[1])
        raise RunFailed(
            f"{DISAGREEMENT} by {gap:.2g} in log probability "
            f"({self._tolerance:.2g} is allowed): the layer that differs most is {layer}, with a relative error of "
            f"{distance:.2g} in its output; the engine runs other weights, or computes this layer differently"
        )

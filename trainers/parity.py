"""New weights to the engine, and the check that engine and trainer then agree on a text."""

from pathlib import Path
from typing import Protocol

import torch

from schemas.errors import RunFailed
from trainers.deepspeed_engine import TrainingEngine


class ScoringEngine(Protocol):
    """What is asked of an engine here: see `tasks.rollouts.vllm_engine.VllmEngine`."""

    def load_weights(self, folder: str) -> None: ...

    def score(self, token_ids: list[int]) -> list[float]: ...


class EngineWeights:
    """Keeps an engine's weights those of the trainer. ``probe`` is a fixed text, in tokens."""

    def __init__(
        self, trainer: TrainingEngine, engine: ScoringEngine, probe: list[int], tolerance: float, scratch: Path
    ) -> None:
        self._trainer, self._engine, self._probe = trainer, engine, probe
        self._tolerance, self._folder = tolerance, str(scratch / "model")

    def publish(self) -> float:
        """Hand the trainer's weights over; gives back the largest difference of log probabilities on the probe.

        Raises:
            RunFailed: it is larger than the tolerance: what is sampled would not be what is trained.
        """
        self._trainer.save_weights(self._folder)
        self._engine.load_weights(self._folder)
        theirs = self._engine.score(self._probe)
        tokens_BT = torch.tensor([self._probe], device=self._trainer.device)
        with torch.no_grad():
            ours = self._trainer.score(tokens_BT, torch.ones_like(tokens_BT, dtype=torch.bool)).logprobs_N.tolist()
        gap = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
        if not gap <= self._tolerance:
            raise RunFailed(
                f"after a weight update engine and trainer differ by {gap:.2g} in log probability "
                f"(dapo.parity_tolerance is {self._tolerance:.2g}): the engine does not run the weights it was given"
            )
        return gap

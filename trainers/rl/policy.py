"""One update of a policy by DAPO: a batch of rollouts in several mini-batches, with an optimiser step for each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from schemas.training_settings import DapoSettings
from trainers.model import losses
from trainers.model.batches import batch_of, n_trained, packed, share_of
from trainers.model.sequences import Sequence
from trainers.ranks.deepspeed_engine import TrainingEngine


@dataclass(frozen=True, slots=True)
class Experience:
    """One rollout as training data: its tokens with the sampler's logprobs, and its advantage within its group."""

    sequence: Sequence
    advantage: float


@dataclass
class _Micro:
    """A micro-batch of one rank, with the constants of its loss."""

    sequences: list[Sequence]
    terms: losses.PolicyTerms


class PolicyUpdate:
    """Updates of a model; ``learning_rate`` gives the rate of the n-th mini-batch (from 0) of the whole training."""

    def __init__(self, engine: TrainingEngine, settings: DapoSettings, learning_rate: Callable[[int], float]) -> None:
        self._engine, self._settings, self._learning_rate = engine, settings, learning_rate

    def run(self, step: int, experiences: list[Experience]) -> dict[str, float]:
        """Train on the experiences of one step (from 0); returns its figures.

        All experiences are scored before the first mini-batch, because the ratios of every mini-batch refer to the
        weights before the step.
        """
        count = self._settings.minibatches
        order = np.random.default_rng((self._settings.seed, step)).permutation(len(experiences))
        minibatches = [[experiences[index] for index in part] for part in np.array_split(order, count) if len(part)]
        tally = _Tally(self._settings.importance_cap)
        prepared = [self._prepared(minibatch, tally) for minibatch in minibatches]
        rates, norms, losses_seen = [], [], []
        for number, (minibatch, micros) in enumerate(zip(minibatches, prepared, strict=True)):
            rates.append(self._learning_rate(step * count + number))
            losses_seen.append(self._descend(micros, _n_trained(minibatch), tally))
            norms.append(self._engine.step(rates[-1]))
        (loss,) = self._engine.sum_over_ranks(sum(losses_seen) / len(minibatches))
        return {
            "loss": loss,
            "lr": rates[-1],
            "grad_norm": sum(norms) / len(norms),
            "grad_norm_max": max(norms),
            "trained_tokens": _n_trained(experiences),
            **tally.figures(self._engine),
        }

    def _prepared(self, minibatch: list[Experience], tally: "_Tally") -> list[_Micro]:
        """This rank's micro-batches of a mini-batch, scored with the current weights."""
        micro_batches = packed(
            minibatch,
            self._settings.engineering.micro_batch_tokens,
            lambda experience: len(experience.sequence),
            self._engine.ranks,
        )
        micros = []
        for micro_batch in share_of(micro_batches, self._engine.rank, self._engine.ranks):
            sequences = [experience.sequence for experience in micro_batch]
            with torch.no_grad():
                batch = batch_of(sequences, self._engine.device)
                scores = self._engine.score(*batch, self._settings.temperature, with_entropy=True)
            terms = self._terms(micro_batch, scores.logprobs_N)
            tally.add_before(terms, scores.entropy_N)
            micros.append(_Micro(sequences, terms))
        return micros

    def _terms(self, micro_batch: list[Experience], before_N: Tensor) -> losses.PolicyTerms:
        advantages = [
            np.full(n_trained([experience.sequence]), experience.advantage, np.float32) for experience in micro_batch
        ]
        sampled = [_sampler_logprobs(experience.sequence) for experience in micro_batch]
        nothing = np.empty(0, np.float32)
        return losses.PolicyTerms(
            advantages_N=torch.from_numpy(np.concatenate([nothing, *advantages])).to(before_N.device),
            before_N=before_N,
            sampler_N=torch.from_numpy(np.concatenate([nothing, *sampled])).to(before_N.device),
        )

    def _descend(self, micros: list[_Micro], normaliser: int, tally: "_Tally") -> float:
        """Accumulate the gradients of one mini-batch; returns the loss of this rank's micro-batches."""
        settings, loss = self._settings, 0.0
        for micro in micros:
            batch = batch_of(micro.sequences, self._engine.device)
            scores = self._engine.score(*batch, settings.temperature)
            policy_loss = losses.dapo(
                scores.logprobs_N,
                micro.terms,
                normaliser,
                settings.clip_low,
                settings.clip_high,
                settings.importance_cap,
            )
            self._engine.backward(policy_loss.loss)
            tally.add_update(policy_loss)
            loss += policy_loss.loss.item()
        return loss


def _n_trained(experiences: list[Experience]) -> int:
    return n_trained(experience.sequence for experience in experiences)


def _sampler_logprobs(sequence: Sequence) -> np.ndarray:
    if sequence.logprobs is None:
        raise ValueError("a rollout has no logprobs of its sampler")
    return sequence.logprobs[sequence.trained]


_SUMS = ("tokens", "entropy", "sampler_gap", "importance", "square", "importance_truncated", "clip_share", "kl")


class _Tally:
    """Sums over the tokens of a step: entropy, the sampler's gap to the trainer, and the change of the policy."""

    def __init__(self, importance_cap: float) -> None:
        self._cap = importance_cap
        self._sums = dict.fromkeys(_SUMS, 0.0)

    def add_before(self, terms: losses.PolicyTerms, entropy_N: Tensor | None) -> None:
        assert entropy_N is not None, "scores before an update come with the entropy"
        gap_N = (terms.before_N - terms.sampler_N).double()
        weight_N = gap_N.exp()
        self._sums["tokens"] += len(gap_N)
        self._sums["entropy"] += entropy_N.double().sum().item()
        self._sums["sampler_gap"] += gap_N.abs().sum().item()
        self._sums["importance"] += weight_N.sum().item()
        self._sums["square"] += weight_N.square().sum().item()
        self._sums["importance_truncated"] += (weight_N > self._cap).sum().item()

    def add_update(self, policy_loss: losses.PolicyLoss) -> None:
        self._sums["clip_share"] += policy_loss.clipped.item()
        self._sums["kl"] += policy_loss.kl.item()

    def figures(self, engine: TrainingEngine) -> dict[str, float]:
        """Means per token over all ranks; ``importance_ess`` is (Σw)² / (n Σw²), 1 if all weights are equal."""
        sums = dict(zip(_SUMS, engine.sum_over_ranks(*self._sums.values()), strict=True))
        tokens, square = sums.pop("tokens"), sums.pop("square")
        ess = sums["importance"] ** 2 / (tokens * square)
        return {**{name: value / tokens for name, value in sums.items()}, "importance_ess": ess}

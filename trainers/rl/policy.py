"""One update of a policy by DAPO: a batch of rollouts, several mini-batches, an optimiser step each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from schemas.settings import DapoSettings
from trainers.model import losses
from trainers.model.batches import batch_of, n_trained, packed, share_of
from trainers.model.sequences import Sequence
from trainers.ranks.deepspeed_engine import TrainingEngine


@dataclass(frozen=True, slots=True)
class Sample:
    """One rollout: its tokens with the sampler's logprobs, and its advantage over the others of its group."""

    sequence: Sequence
    advantage: float


@dataclass
class _Micro:
    """A micro-batch of one rank."""

    sequences: list[Sequence]
    terms: losses.PolicyTerms


class PolicyUpdate:
    """Updates of a model under training; ``learning_rate`` tells the rate of the n-th mini-batch of the training."""

    def __init__(self, engine: TrainingEngine, settings: DapoSettings, learning_rate: Callable[[int], float]) -> None:
        self._engine, self._settings, self._learning_rate = engine, settings, learning_rate

    def run(self, step: int, samples: list[Sample]) -> dict[str, float]:
        """Train on the samples of one step (from 0), and give back how that went.

        All of them are scored with the weights before the step first: the ratios of every mini-batch are to these.
        """
        count = self._settings.minibatches
        order = np.random.default_rng((self._settings.seed, step)).permutation(len(samples))
        parts = [[samples[index] for index in part] for part in np.array_split(order, count) if len(part)]
        tally = _Tally(self._settings.importance_cap)
        prepared = [self._prepared(part, tally) for part in parts]
        rates, norms, losses_seen = [], [], []
        for number, (part, micros) in enumerate(zip(parts, prepared, strict=True)):
            rates.append(self._learning_rate(step * count + number))
            losses_seen.append(self._descend(micros, n_trained(sample.sequence for sample in part), tally))
            norms.append(self._engine.step(rates[-1]))
        (loss,) = self._engine.sum_over_ranks(sum(losses_seen) / len(parts))
        return {
            "loss": loss,
            "lr": rates[-1],
            "grad_norm": sum(norms) / len(norms),
            "grad_norm_max": max(norms),
            "trained_tokens": n_trained(sample.sequence for sample in samples),
            **tally.figures(self._engine),
        }

    def _prepared(self, samples: list[Sample], tally: "_Tally") -> list[_Micro]:
        """This rank's micro-batches of a mini-batch, scored by the weights as they are."""
        micro_batches = packed(
            samples,
            self._settings.engineering.micro_batch_tokens,
            lambda sample: len(sample.sequence),
            self._engine.ranks,
        )
        micros = []
        for micro_batch in share_of(micro_batches, self._engine.rank, self._engine.ranks):
            sequences = [sample.sequence for sample in micro_batch]
            with torch.no_grad():
                batch = batch_of(sequences, self._engine.device)
                scores = self._engine.score(*batch, self._settings.temperature, with_entropy=True)
            terms = self._terms(micro_batch, scores.logprobs_N)
            tally.add_before(terms, scores.entropy_N)
            micros.append(_Micro(sequences, terms))
        return micros

    def _terms(self, samples: list[Sample], before_N: Tensor) -> losses.PolicyTerms:
        advantages = [np.full(n_trained([sample.sequence]), sample.advantage, np.float32) for sample in samples]
        sampled = [_sampler_logprobs(sample.sequence) for sample in samples]
        nothing = np.empty(0, np.float32)
        return losses.PolicyTerms(
            advantages_N=torch.from_numpy(np.concatenate([nothing, *advantages])).to(before_N.device),
            before_N=before_N,
            sampler_N=torch.from_numpy(np.concatenate([nothing, *sampled])).to(before_N.device),
        )

    def _descend(self, micros: list[_Micro], normaliser: int, tally: "_Tally") -> float:
        """Add the gradients of one mini-batch; gives back the loss of this rank's micro-batches."""
        settings, loss = self._settings, 0.0
        for micro in micros:
            batch = batch_of(micro.sequences, self._engine.device)
            scores = self._engine.score(*batch, settings.temperature)
            found = losses.dapo(
                scores.logprobs_N,
                micro.terms,
                normaliser,
                settings.clip_low,
                settings.clip_high,
                settings.importance_cap,
            )
            self._engine.backward(found.loss)
            tally.add_update(found)
            loss += found.loss.item()
        return loss


def _sampler_logprobs(sequence: Sequence) -> np.ndarray:
    if sequence.logprobs is None:
        raise ValueError("a rollout without the logprobs of its sampler")
    return sequence.logprobs[sequence.trained]


_SUMS = ("tokens", "entropy", "sampler_gap", "importance", "square", "importance_truncated", "clip_share", "kl")


class _Tally:
    """Sums over the tokens of a step: entropy, how far the sampler was from the trainer, how far the policy went."""

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

    def add_update(self, found: losses.PolicyLoss) -> None:
        self._sums["clip_share"] += found.clipped.item()
        self._sums["kl"] += found.kl.item()

    def figures(self, engine: TrainingEngine) -> dict[str, float]:
        """Means a token over all ranks; ``importance_ess`` is (Σw)² / (n Σw²), 1 where all weights are equal."""
        sums = dict(zip(_SUMS, engine.sum_over_ranks(*self._sums.values()), strict=True))
        tokens, square = sums.pop("tokens"), sums.pop("square")
        ess = sums["importance"] ** 2 / (tokens * square)
        return {**{name: value / tokens for name, value in sums.items()}, "importance_ess": ess}

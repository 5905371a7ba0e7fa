"""Losses and advantages as pure functions of per-token log probabilities.

Tensors are flat over the trained tokens of a micro-batch: ``_N`` is their number, whatever sequences they come from. A
loss is a sum divided by ``normaliser``, the number of trained tokens of the whole update over all micro-batches and
ranks, so that every token weighs the same however the update is cut. Probabilities are natural logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from torch import Tensor

_EPSILON = 1e-6
_ROUNDING = 1e-9
"""Rewards that differ by less differ by how sums were rounded: a word more or less is worth a million times that."""


def cross_entropy(logprobs_N: Tensor, normaliser: int) -> Tensor:
    """Mean negative log likelihood a token: this micro-batch's share of it, a scalar."""
    return -logprobs_N.sum() / normaliser


@dataclass(frozen=True)
class PolicyTerms:
    """What the samples said about the tokens of a micro-batch, and what the policy said before the update."""

    advantages_N: Tensor
    before_N: Tensor
    """Log probabilities by the trainer's weights before the update's first step: those of the ratio."""
    sampler_N: Tensor
    """Log probabilities with which the engine drew the tokens."""


@dataclass(frozen=True)
class PolicyLoss:
    """``loss`` is differentiable; the sums are over tokens, to be divided by their number once all are added up."""

    loss: Tensor
    clipped: Tensor
    """Tokens for which the clip binds, so that they have no gradient."""
    kl: Tensor
    """Sum of (ratio - 1 - log ratio), the k3 estimate of KL(before || now)."""


def importance_weights(before_N: Tensor, sampler_N: Tensor, cap: float) -> Tensor:
    """min(p_trainer / p_sampler, cap) a token: corrects samples of a sampler that is not quite the policy.

    Truncated importance sampling, as in https://fengyao.notion.site/off-policy-rl.
    """
    return (before_N - sampler_N).exp().clamp(max=cap)


def dapo(
    logprobs_N: Tensor,
    terms: PolicyTerms,
    normaliser: int,
    clip_low: float,
    clip_high: float,
    importance_cap: float,
) -> PolicyLoss:
    """DAPO's objective (arXiv 2503.14476, equation 8), negated, with truncated importance weights.

    Clip-higher, the mean over the tokens of the whole update, no KL term:
    ``-1/Σ|o_i| Σ_i Σ_t w min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)``.
    """
    weights_N = importance_weights(terms.before_N, terms.sampler_N, importance_cap)
    log_ratio_N = logprobs_N - terms.before_N
    ratio_N = log_ratio_N.exp()
    free_N = ratio_N * terms.advantages_N
    bound_N = ratio_N.clamp(1 - clip_low, 1 + clip_high) * terms.advantages_N
    loss = -(weights_N * torch.minimum(free_N, bound_N)).sum() / normaliser
    with torch.no_grad():
        kl = (ratio_N - 1 - log_ratio_N).sum()
        return PolicyLoss(loss=loss, clipped=(bound_N < free_N).sum(), kl=kl)


def are_equal(rewards: Sequence[float]) -> bool:
    """Whether the rewards of a group are all the same but for rounding, so that there is nothing to compare."""
    return not rewards or max(rewards) - min(rewards) <= _ROUNDING * max(1.0, *map(abs, rewards))


def group_advantages(rewards: Sequence[float]) -> list[float]:
    """(R - mean) / std within one group of rollouts of one prompt; the sample's standard deviation (n - 1).

    All are 0 where the rewards are equal.
    """
    if are_equal(rewards):
        return [0.0] * len(rewards)
    mean, spread = fmean(rewards), stdev(rewards)
    return [(reward - mean) / (spread + _EPSILON) for reward in rewards]


def overlong_penalty(n_tokens: int, max_tokens: int, cache: int) -> float:
    """Soft overlong punishment (arXiv 2503.14476, equation 13): 0, then falling over ``cache`` tokens, -1 beyond.

    ``n_tokens`` are those that the policy sampled, of ``max_tokens`` that it may.
    """
    over = n_tokens - (max_tokens - cache)
    return -min(1.0, max(0.0, over / cache))

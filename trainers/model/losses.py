"""Losses and advantages as pure functions of per-token log probabilities.

Tensors are flat over the N trained tokens of all sequences of a micro-batch (suffix ``_N``). A loss is a sum divided by
``normaliser``, the number of trained tokens of the whole update over all micro-batches and ranks, so that every token
has the same weight for any division of the update. Log probabilities are natural logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from torch import Tensor

_EPSILON = 1e-6
_ROUNDING = 1e-9
"""Relative differences of rewards below this are rounding errors: one word changes a reward a million times as much."""


def cross_entropy(logprobs_N: Tensor, normaliser: int) -> Tensor:
    """This micro-batch's share of the mean negative log likelihood per token, a scalar."""
    return -logprobs_N.sum() / normaliser


@dataclass(frozen=True)
class PolicyTerms:
    """The constants of the loss for the tokens of a micro-batch."""

    advantages_N: Tensor
    before_N: Tensor
    """Log probabilities under the trainer's weights before the update: the denominator of the ratio."""
    sampler_N: Tensor
    """Log probabilities with which the engine sampled the tokens."""


@dataclass(frozen=True)
class PolicyLoss:
    """``loss`` is differentiable. ``clipped`` and ``kl`` are sums over tokens: divide their totals by all tokens."""

    loss: Tensor
    clipped: Tensor
    """The number of tokens without a gradient because the clip binds."""
    kl: Tensor
    """Sum of (ratio - 1 - log ratio), the k3 estimate of KL(before || now)."""


def importance_weights(before_N: Tensor, sampler_N: Tensor, cap: float) -> Tensor:
    """min(p_trainer / p_sampler, cap) for each token: corrects for a sampler that differs slightly from the policy.

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
    """Whether the rewards of a group are equal up to rounding, so that the group is not informative."""
    return not rewards or max(rewards) - min(rewards) <= _ROUNDING * max(1.0, *map(abs, rewards))


def group_advantages(rewards: Sequence[float]) -> list[float]:
    """(R - mean) / std within the group of rollouts of one prompt, with the sample standard deviation (n - 1).

    All advantages are 0 if the rewards are equal.
    """
    if are_equal(rewards):
        return [0.0] * len(rewards)
    mean, spread = fmean(rewards), stdev(rewards)
    return [(reward - mean) / (spread + _EPSILON) for reward in rewards]


def overlong_penalty(n_tokens: int, max_tokens: int, cache: int) -> float:
    """Soft overlong punishment (arXiv 2503.14476, equation 13): 0, falling over the last ``cache`` tokens to -1.

    ``n_tokens`` is the number of tokens that the policy sampled, ``max_tokens`` its limit.
    """
    over = n_tokens - (max_tokens - cache)
    return -min(1.0, max(0.0, over / cache))

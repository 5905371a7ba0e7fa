"""Losses against values worked out by hand, and against those of TRL and transformers."""

import math
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from torch import tensor

from trainers.model import losses


def _terms(advantages: list[float], before: list[float], sampler: list[float] | None = None) -> losses.PolicyTerms:
    return losses.PolicyTerms(tensor(advantages), tensor(before), tensor(sampler or before))


def _dapo(now: list[float], terms: losses.PolicyTerms, normaliser: int = 1, cap: float = 2.0) -> losses.PolicyLoss:
    return losses.dapo(tensor(now, requires_grad=True), terms, normaliser, 0.2, 0.28, cap)


def test_cross_entropy_is_the_mean_over_the_tokens_of_the_whole_update():
    # Three tokens in one micro-batch, one in another: each weighs a quarter, not the one as much as the three.
    first, second = tensor([-1.0, -2.0, -3.0]), tensor([-6.0])
    assert losses.cross_entropy(first, 4) + losses.cross_entropy(second, 4) == tensor(3.0)


def test_dapo_loss_worked_out_by_hand():
    # Ratios 1, 2 and 0.5 with advantages +1, +1 and -1; bounds [0.8, 1.28].
    # min(1, 1) + min(2, 1.28) + min(-0.5, -0.8) = 1 + 1.28 - 0.8 = 1.48; over 4 tokens: -0.37.
    now = [math.log(p) for p in (0.3, 0.4, 0.1)]
    before = [math.log(p) for p in (0.3, 0.2, 0.2)]
    found = _dapo(now, _terms([1.0, 1.0, -1.0], before), normaliser=4)
    assert found.loss.item() == pytest.approx(-0.37, abs=1e-6)
    assert found.clipped.item() == 2
    # k3: (1 - 1 - 0) + (2 - 1 - ln 2) + (0.5 - 1 + ln 2) = 0.5
    assert found.kl.item() == pytest.approx(0.5, abs=1e-6)


def test_the_clip_is_higher_upwards_and_binds_only_where_it_would_be_left():
    def gradient(ratio: float, advantage: float) -> float:
        now = tensor([math.log(ratio)], requires_grad=True)
        losses.dapo(now, _terms([advantage], [0.0]), 1, 0.2, 0.28, 2.0).loss.backward()
        return now.grad.item()

    assert gradient(1.27, 1.0) == pytest.approx(-1.27)  # inside 1 + 0.28
    assert gradient(1.29, 1.0) == 0.0
    assert gradient(0.79, -1.0) == 0.0
    assert gradient(0.81, -1.0) == pytest.approx(0.81)
    assert gradient(5.0, -1.0) == pytest.approx(5.0)  # a bad token that became likelier is always pushed down
    assert gradient(0.1, 1.0) == pytest.approx(-0.1)


def test_importance_weights_correct_the_sampler_and_are_cut():
    before, sampler = [math.log(0.3), math.log(0.8)], [math.log(0.2), math.log(0.1)]
    weights = losses.importance_weights(tensor(before), tensor(sampler), cap=2.0)
    assert weights.tolist() == pytest.approx([1.5, 2.0])
    found = _dapo(before, _terms([1.0, -1.0], before, sampler))
    assert found.loss.item() == pytest.approx(-(1.5 - 2.0))


def test_no_gradient_flows_through_the_importance_weights():
    now = tensor([-1.0], requires_grad=True)
    losses.dapo(
        now, losses.PolicyTerms(tensor([1.0]), tensor([-1.0]), tensor([-1.2])), 1, 0.2, 0.28, 2.0
    ).loss.backward()
    assert now.grad.item() == pytest.approx(-math.exp(0.2))


def test_cutting_an_update_into_micro_batches_changes_nothing():
    generator = torch.Generator().manual_seed(1)
    now, before, sampler = (-3 * torch.rand(12, generator=generator) for _ in range(3))
    advantages = torch.randn(12, generator=generator)
    whole = losses.dapo(now, losses.PolicyTerms(advantages, before, sampler), 12, 0.2, 0.28, 2.0).loss
    parts = [
        losses.dapo(now[part], losses.PolicyTerms(advantages[part], before[part], sampler[part]), 12, 0.2, 0.28, 2.0)
        for part in (slice(0, 2), slice(2, 11), slice(11, 12))
    ]
    assert sum(part.loss.item() for part in parts) == pytest.approx(whole.item(), abs=1e-6)


@pytest.mark.slow
def test_dapo_loss_is_that_of_trl():
    from trl.trainer.grpo_trainer import GRPOTrainer

    generator = torch.Generator().manual_seed(2)
    now, before, sampler = (-2 * torch.rand(3, 5, generator=generator) for _ in range(3))
    advantages = tensor([1.5, -0.5, -1.0])
    mask = tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    weights = (before - sampler).exp().clamp(max=2.0)
    trainer = MagicMock(
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=0.0,
        _entropy_bonus_enabled=False,
        loss_type="dapo",
        args=SimpleNamespace(delta=None, steps_per_generation=1),
        epsilon_low=0.2,
        epsilon_high=0.28,
        use_vllm=True,
        vllm_importance_sampling_correction=True,
        current_gradient_accumulation_steps=1,
        accelerator=SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, reduction: x),
    )
    trainer._get_per_token_logps_and_entropies.return_value = (now, torch.zeros_like(now), None)
    theirs = GRPOTrainer._compute_loss(
        trainer,
        trainer.model,
        {
            "prompt_ids": torch.zeros(3, 1),
            "prompt_mask": torch.ones(3, 1),
            "completion_ids": torch.zeros(3, 5),
            "completion_mask": mask,
            "advantages": advantages,
            "old_per_token_logps": before,
            "importance_sampling_ratio": weights,
            "num_items_in_batch": mask.sum(),
        },
    )
    marked = mask.bool()
    terms = losses.PolicyTerms(advantages.repeat_interleave(mask.sum(1)), before[marked], sampler[marked])
    ours = losses.dapo(now[marked], terms, int(mask.sum()), 0.2, 0.28, 2.0).loss
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_group_advantages_by_hand_and_as_trl_scales_them():
    from trl.trainer.utils import nanstd

    rewards = [1.0, 0.0, 0.0, 1.0]  # mean 1/2, standard deviation (n - 1) 1/√3
    assert losses.group_advantages(rewards) == pytest.approx([0.866, -0.866, -0.866, 0.866], abs=1e-3)
    graded = [0.2, 1.0, 0.6, 0.2, 0.36]
    spread = nanstd(tensor([graded]), dim=1).item()
    mean = sum(graded) / 5
    assert losses.group_advantages(graded) == pytest.approx([(r - mean) / spread for r in graded], abs=1e-4)


@pytest.mark.parametrize(
    ("n_tokens", "penalty"), [(10, 0.0), (960, 0.0), (976, -0.25), (992, -0.5), (1024, -1.0), (5000, -1.0)]
)
def test_overlong_penalty_grows_over_the_cache(n_tokens: int, penalty: float):
    assert losses.overlong_penalty(n_tokens, max_tokens=1024, cache=64) == penalty

"""Estimates of memory, worked by hand and against published figures."""

from dataclasses import replace

import pytest

from schemas.runtime import EngineRuntime
from schemas.training_settings import EngineeringSettings
from tasks.capacity import memory
from tasks.capacity.model_shape import ModelShape

SMALL = ModelShape(
    parameters=1000,
    vocabulary=100,
    longest=64,
    layers=2,
    hidden=8,
    intermediate=16,
    kv_width=4,
    weight_bytes=2,
    weights="",
    made_for=None,
)
BARE = replace(SMALL, parameters=7_500_000_000, vocabulary=0, layers=0, hidden=0, intermediate=0, kv_width=0)
"""7.5 billion weights, and nothing that depends on texts."""


def test_a_rank_by_hand():
    fp32 = EngineeringSettings(micro_batch_tokens=10)
    # A layer keeps 8 × 8 + 2 × 4 + 4 × 16 = 136 values of a token.
    assert memory.of_rank(SMALL, fp32, ranks=4, longest=5).parts == {
        "weights": 4 * 1000,
        "gradients": 4 * 1000,
        "AdamW": 12 * 1000 / 4,
        "activations": 4 * 10 * 2 * 136,
        "logits": 12 * 10 * 100,
    }
    longer = memory.of_rank(SMALL, fp32, ranks=4, longest=20)
    assert (longer.parts["activations"], longer.parts["logits"]) == (4 * 20 * 2 * 136, 12 * 20 * 100)
    thrifty = EngineeringSettings(micro_batch_tokens=10, dtype="bf16", activation_checkpointing=True)
    assert memory.of_rank(SMALL, thrifty, ranks=4, longest=5).parts["activations"] == 2 * 10 * (2 * 8 + 136)


@pytest.mark.parametrize(("stage", "published"), [(1, 31.4), (2, 16.6), (3, 1.9)])
def test_zero_divides_as_its_paper_says(stage: int, published: float):
    """arXiv 1910.02054, figure 1: 7.5 billion weights in 16 bits on 64 devices; 120 GB on each without ZeRO.

    Its gradients are in 16 bits too; here they are summed up in 32.
    """
    engineering = EngineeringSettings(dtype="bf16", zero_stage=stage, micro_batch_tokens=1)
    (_, update, *whole) = memory.phases_of(BARE, engineering, 64, longest=1)
    wider = 2 * 7.5 / (1 if stage == 1 else 64)
    assert sum(update.pop(name) for name in ("weights", "gradients", "AdamW")) / 1e9 == pytest.approx(
        published + wider, abs=0.05
    )
    assert update == {"an update": pytest.approx((8 if stage == 3 else 4) * 7.5e9 / 64)}
    assert bool(whole) == (stage == 3)


def test_under_stage_3_rank_0_writes_the_whole_model_from_main_memory():
    engineering = EngineeringSettings(dtype="bf16", zero_stage=3, micro_batch_tokens=1)
    shares = {"weights": 2 * 7.5e9 / 64, "gradients": 4 * 7.5e9 / 64, "AdamW": 12 * 7.5e9 / 64}
    assert memory.of_rank(BARE, engineering, 64, 1).parts == {**shares, "weights, whole to be written": 15e9}
    for ranks in (2, 64):
        on_gpu = memory.of_rank(BARE, engineering, ranks, 1, on_gpu=True)
        assert on_gpu.total == pytest.approx((2 + 4 + 12) * 7.5e9 / ranks + 8 * min(7.5e9 / ranks, 1e9))


@pytest.mark.parametrize(
    ("dtype", "stage", "kept"),
    [("fp32", 1, 0), ("fp32", 3, 1000), ("bf16", 1, 4000), ("bf16", 2, 0), ("bf16", 3, 1000)],
)
def test_a_rank_keeps_room_for_gradients_between_two_steps(dtype: str, stage: int, kept: int):
    resting = memory.of_resting_rank(SMALL, EngineeringSettings(dtype=dtype, zero_stage=stage), ranks=4)
    assert resting.parts["gradients"] == kept


def test_an_engine_by_hand():
    engine = EngineRuntime(tensor_parallel=4, cpu_cache_gb=3)
    # Keys and values of 4 numbers in 2 layers, 2 bytes each: 32 bytes a token.
    assert memory.cache_of_text(SMALL, 50) == 32 * 50
    assert memory.of_engine(SMALL, engine, 50, on_gpu=True).parts == {"weights": 500, "cache": 400}
    assert memory.of_engine(SMALL, engine, 50, on_gpu=False).parts == {"weights": 500, "cache": 3 * 2**30}


def test_qwen_2_5_7b_takes_56_kib_a_token():
    assert memory.cache_of_text(replace(SMALL, layers=28, kv_width=4 * 128), 1) == 56 * 1024


def test_it_tells_the_parts_and_what_makes_them_less():
    estimate = memory.of_rank(BARE, EngineeringSettings(dtype="bf16", micro_batch_tokens=1), ranks=2, longest=1)
    assert str(estimate) == "105 GB (weights 15, gradients 30, AdamW 45, an update 15)"
    assert "raise engineering.zero_stage (now 1) or runtime.ranks (2)" in estimate.remedy

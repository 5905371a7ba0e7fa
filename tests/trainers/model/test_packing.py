"""A sequence in a packed row is trained as if it were alone: nothing leaks from its neighbours.

Leaks of attention and positions have gone unnoticed elsewhere (LLaMA-Factory#2289, #7613): the loss still falls.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from schemas.errors import BadInput
from tests.support.plain_engine import PlainEngine
from trainers.model.batches import batch_of, n_trained
from trainers.model.language_model import LanguageModel
from trainers.model.losses import cross_entropy
from trainers.model.sequences import Sequence
from trainers.supervised.course import Step
from trainers.supervised.loop import update

VOCABULARY = 300


def _model(**config) -> Qwen2ForCausalLM:
    """Four query heads to two key heads; weights large enough for attention to be far from uniform."""
    torch.manual_seed(1)
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "initializer_range": 0.3,
    }
    return Qwen2ForCausalLM(Qwen2Config(**{**settings, **config}))


def _sequences(*lengths: int) -> list[Sequence]:
    random = np.random.default_rng(1)
    return [
        Sequence(random.integers(0, VOCABULARY, length).astype(np.int32), random.random(length) < 0.7)
        for length in lengths
    ]


def _logprobs(model: LanguageModel, *micro_batch: Sequence) -> torch.Tensor:
    with torch.no_grad():
        return model(*batch_of(list(micro_batch))).logprobs_N


def test_a_sequence_scores_the_same_alone_and_in_a_row_with_others():
    model, sequences = LanguageModel(_model()), _sequences(40, 1, 25, 2, 70)
    alone = torch.cat([_logprobs(model, sequence) for sequence in sequences])
    assert torch.allclose(_logprobs(model, *sequences), alone, atol=1e-5)


def test_other_tokens_in_one_sequence_change_nothing_in_its_neighbours():
    model, (before, changed, after) = LanguageModel(_model()), _sequences(30, 20, 30)
    other = Sequence((changed.token_ids + 1) % VOCABULARY, changed.trained)
    one, two = _logprobs(model, before, changed, after), _logprobs(model, before, other, after)
    counts = [n_trained([sequence]) for sequence in (before, changed, after)]
    same = [torch.equal(a, b) for a, b in zip(one.split(counts), two.split(counts), strict=True)]
    assert same == [True, False, True]


@pytest.mark.parametrize("recomputed", [False, True], ids=["stored", "recomputed"])
def test_the_gradient_of_a_row_is_the_sum_of_those_of_its_sequences(recomputed: bool):
    sequences, gradients = _sequences(40, 3, 25), []
    for micro_batches in ([[sequence] for sequence in sequences], [sequences]):
        own = _model()
        if recomputed:
            own.gradient_checkpointing_enable()
        model = LanguageModel(own).train()
        for micro_batch in micro_batches:
            cross_entropy(model(*batch_of(micro_batch)).logprobs_N, n_trained(sequences)).backward()
        gradients.append([weight.grad for weight in model.parameters()])
    for alone, in_a_row in zip(*gradients, strict=True):
        assert torch.allclose(alone, in_a_row, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_scores_agree_with_transformers_own_block_diagonal_mask(attention: str):
    sequences = _sequences(40, 1, 25, 2)
    batch, theirs = batch_of(sequences), _model(attn_implementation=attention)
    positions_BT = torch.cat([torch.arange(length) for length in batch.lengths])[None]
    with torch.no_grad():
        logprobs_BTV = theirs(batch.tokens_BT, position_ids=positions_BT, use_cache=False).logits.log_softmax(-1)
    wanted_BT = logprobs_BTV[:, :-1].gather(-1, batch.tokens_BT[:, 1:, None])[..., 0]
    ours_N = _logprobs(LanguageModel(_model()), *sequences)
    assert torch.allclose(ours_N, wanted_BT[batch.trained_BT[:, 1:]], atol=1e-5)


def test_training_does_not_depend_on_packing(training_files: Path):
    steps = [Step(0, _sequences(50, 20, 33, 8, 27))] * 4
    losses, weights = [], []
    for micro_batch_tokens in (1, 60, 10_000):
        engine = PlainEngine(str(training_files / "model"))
        lines = [update(engine, step, micro_batch_tokens, 1e-3) for step in steps]
        losses.append([line["loss"] for line in lines])
        weights.append(torch.cat([weight.detach().flatten() for weight in engine.model.parameters()]))
    for other in (1, 2):
        assert losses[other] == pytest.approx(losses[0], abs=1e-5)
        assert torch.allclose(weights[other], weights[0], atol=2e-4)
    assert losses[0][-1] < losses[0][0] - 0.02


def test_a_model_with_a_sliding_window_is_refused():
    with pytest.raises(BadInput, match="sliding"):
        LanguageModel(_model(use_sliding_window=True, sliding_window=16, max_window_layers=1))

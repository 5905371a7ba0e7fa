"""Micro-batches: nothing lost, little padding, and no token that sees another sequence."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.batches import batch_of, blocks_of, n_trained, share_of
from trainers.sequences import Sequence


def _sequence(*token_ids: int, prompt: int = 1) -> Sequence:
    return Sequence(np.array(token_ids, np.int32), np.arange(len(token_ids)) >= prompt)


@given(lengths=st.lists(st.integers(1, 600), max_size=60), budget=st.integers(1, 2048))
def test_blocks_hold_everything_once_and_are_about_the_budget(lengths: list[int], budget: int):
    blocks = blocks_of(dict(enumerate(lengths)), budget)
    assert sorted(index for block in blocks for index in block) == list(range(len(lengths)))
    for block in blocks:
        padded = max(lengths[index] for index in block) * len(block)
        assert len(block) == 1 or padded <= budget * 4 / 3


def test_blocks_of_like_lengths_hardly_pad():
    random = np.random.default_rng(1)
    lengths = {index: int(random.choice([155, 216, 272, 354]) + random.integers(-20, 20)) for index in range(80)}
    padded = sum(max(lengths[i] for i in block) * len(block) for block in blocks_of(lengths, 1024))
    assert padded < 1.05 * sum(lengths.values())


@given(count=st.integers(0, 9), ranks=st.integers(1, 4))
def test_ranks_share_blocks_and_take_as_many_turns_each(count: int, ranks: int):
    blocks = [[_sequence(index, 1, 2)] for index in range(count)]
    shares = [share_of(blocks, rank, ranks) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(s.token_ids[0] for share in shares for block in share for s in block) == list(range(count))


def test_a_batch_is_padded_on_the_right_and_padding_is_not_trained():
    batch = batch_of([_sequence(5, 6, 7, 8, prompt=2), _sequence(9, 4, prompt=1)])
    assert batch.tokens_BT.tolist() == [[5, 6, 7, 8], [9, 4, 0, 0]]
    assert batch.trained_BT.tolist() == [[False, False, True, True], [False, True, False, False]]
    assert n_trained([_sequence(5, 6, prompt=0), _sequence(7, 8, 9, prompt=1)]) == 1 + 2


def test_an_empty_block_has_a_gradient_of_nothing(training_files):
    from trainers.language_model import LanguageModel
    from trainers.losses import cross_entropy
    from trainers.weights import load_model

    model = LanguageModel(load_model(str(training_files / "model")))
    cross_entropy(model(*batch_of([])).logprobs_N, 10).backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in model.parameters())


@pytest.fixture
def model(training_files):
    from trainers.language_model import LanguageModel
    from trainers.weights import load_model

    return LanguageModel(load_model(str(training_files / "model"))).eval()


def test_a_sequence_scores_the_same_alone_and_beside_longer_ones(model):
    short, long = _sequence(5, 6, 7, prompt=1), _sequence(*range(10, 40), prompt=3)
    with torch.no_grad():
        alone, beside = model(*batch_of([short])), model(*batch_of([long, short]))
    assert beside.logprobs_N[-2:].tolist() == pytest.approx(alone.logprobs_N.tolist(), abs=1e-5)


def test_scores_are_the_model_s_own(model):
    sequence = _sequence(*range(10, 30), prompt=4)
    tokens = torch.tensor([sequence.token_ids.tolist()])
    with torch.no_grad():
        logprobs_TV = model.model(tokens).logits[0].log_softmax(-1)
        scores = model(*batch_of([sequence]), with_entropy=True)
        hot = model(*batch_of([sequence]), 2.0, with_entropy=True)
    wanted = [logprobs_TV[place - 1, tokens[0, place]].item() for place in range(4, 20)]
    assert scores.logprobs_N.tolist() == pytest.approx(wanted, abs=1e-5)
    entropy = -(logprobs_TV[3].exp() * logprobs_TV[3]).sum().item()
    assert scores.entropy_N[0].item() == pytest.approx(entropy, abs=1e-5)
    assert (hot.entropy_N > scores.entropy_N).all()


def test_the_loss_is_that_of_transformers_over_accumulated_batches(model):
    from transformers.loss.loss_utils import ForCausalLMLoss

    from trainers.losses import cross_entropy

    first, second = [_sequence(*range(9, 29), prompt=4)], [_sequence(3, 4, 5, prompt=1)]
    trained = n_trained(first + second)
    for block in (first, second):
        batch = batch_of(block)
        labels = batch.tokens_BT.masked_fill(~batch.trained_BT, -100)
        logits = model.model(batch.tokens_BT).logits
        theirs = ForCausalLMLoss(logits, labels, logits.shape[-1], num_items_in_batch=trained)
        ours = cross_entropy(model(*batch).logprobs_N, trained)
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)

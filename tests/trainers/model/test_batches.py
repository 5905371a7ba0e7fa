"""Micro-batches: nothing lost, even shares, and the loss that transformers would compute."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainers.model.batches import batch_of, n_trained, packed, share_of
from trainers.model.sequences import Sequence


def _sequence(*token_ids: int, prompt: int = 1) -> Sequence:
    return Sequence(np.array(token_ids, np.int32), np.arange(len(token_ids)) >= prompt)


def _sizes(micro_batches: list[list[int]], lengths: list[int]) -> list[int]:
    return [sum(lengths[index] for index in micro_batch) for micro_batch in micro_batches]


@given(lengths=st.lists(st.integers(1, 600), max_size=60), budget=st.integers(1, 2048), ranks=st.integers(1, 4))
def test_micro_batches_hold_everything_once_within_the_budget_and_are_about_as_even_as_can_be(
    lengths: list[int], budget: int, ranks: int
):
    micro_batches = packed(range(len(lengths)), budget, lengths.__getitem__, ranks)
    assert sorted(index for micro_batch in micro_batches for index in micro_batch) == list(range(len(lengths)))
    sizes = _sizes(micro_batches, lengths)
    assert all(sizes)
    assert len(sizes) % ranks == 0 or len(sizes) == len(lengths)
    for micro_batch, size in zip(micro_batches, sizes, strict=True):
        if len(micro_batch) > 1:
            assert size - min(lengths[index] for index in micro_batch) <= min(sizes)
            assert size <= budget


def test_the_budget_is_a_bound_that_a_longer_sequence_alone_exceeds():
    assert packed([6000, 6000], 8192, int) == [[6000], [6000]]
    assert packed([6000, 2192, 6000], 8192, int) == [[6000, 2192], [6000]]
    assert packed([20_000, 100, 200, 300], 8192, int) == [[20_000], [300, 200, 100]]
    assert packed([500] * 4, 1100, int, ranks=2) == [[500, 500], [500, 500]]
    assert packed([500] * 4, 900, int, ranks=3) == [[500]] * 4
    assert packed([500] * 6, 1600, int, ranks=3) == [[500, 500]] * 3
    assert packed([], 8192, int, ranks=2) == []


def test_many_sequences_fill_the_budget():
    random = np.random.default_rng(1)
    lengths = random.integers(200, 2000, 500).tolist()
    sizes = _sizes(packed(range(500), 4096, lengths.__getitem__), lengths)
    assert min(sizes) > 0.9 * 4096
    assert max(sizes) <= 4096


@given(count=st.integers(0, 9), ranks=st.integers(1, 4))
def test_ranks_share_micro_batches_and_take_as_many_turns_each(count: int, ranks: int):
    micro_batches = [[_sequence(index, 1, 2)] for index in range(count)]
    shares = [share_of(micro_batches, rank, ranks) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(s.token_ids[0] for share in shares for part in share for s in part) == list(range(count))


def test_a_batch_is_one_row_and_no_sequence_s_first_token_is_trained():
    batch = batch_of([_sequence(5, 6, 7, 8, prompt=2), _sequence(9, 4, prompt=0), _sequence(3, 2, prompt=1)])
    assert batch.tokens_BT.tolist() == [[5, 6, 7, 8, 9, 4, 3, 2]]
    assert batch.trained_BT.tolist() == [[False, False, True, True, False, True, False, True]]
    assert batch.lengths == [4, 2, 2]
    assert n_trained([_sequence(5, 6, prompt=0), _sequence(7, 8, 9, prompt=1)]) == 1 + 2


@pytest.fixture
def model(training_files):
    from trainers.model.language_model import LanguageModel
    from trainers.model.weights import load_model

    return LanguageModel(load_model(str(training_files / "model"))).eval()


def test_an_empty_micro_batch_has_a_gradient_of_nothing(model):
    from trainers.model.losses import cross_entropy

    cross_entropy(model(*batch_of([])).logprobs_N, 10).backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in model.parameters())


def test_the_loss_is_that_of_transformers_over_accumulated_batches(model, training_files):
    from transformers.loss.loss_utils import ForCausalLMLoss

    from trainers.model.losses import cross_entropy
    from trainers.model.weights import load_model

    own = load_model(str(training_files / "model"))
    first, second = [_sequence(*range(9, 29), prompt=4)], [_sequence(3, 4, 5, prompt=1)]
    trained = n_trained(first + second)
    for micro_batch in (first, second):
        batch = batch_of(micro_batch)
        labels = batch.tokens_BT.masked_fill(~batch.trained_BT, -100)
        logits = own(batch.tokens_BT).logits
        theirs = ForCausalLMLoss(logits, labels, logits.shape[-1], num_items_in_batch=trained)
        ours = cross_entropy(model(*batch).logprobs_N, trained)
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


def test_scores_are_the_model_s_own(model, training_files):
    from trainers.model.weights import load_model

    sequence = _sequence(*range(10, 30), prompt=4)
    tokens = torch.tensor([sequence.token_ids.tolist()])
    with torch.no_grad():
        logprobs_TV = load_model(str(training_files / "model"))(tokens).logits[0].log_softmax(-1)
        scores = model(*batch_of([sequence]), with_entropy=True)
        hot = model(*batch_of([sequence]), 2.0, with_entropy=True)
    wanted = [logprobs_TV[place - 1, tokens[0, place]].item() for place in range(4, 20)]
    assert scores.logprobs_N.tolist() == pytest.approx(wanted, abs=1e-5)
    entropy = -(logprobs_TV[3].exp() * logprobs_TV[3]).sum().item()
    assert scores.entropy_N[0].item() == pytest.approx(entropy, abs=1e-5)
    assert (hot.entropy_N > scores.entropy_N).all()

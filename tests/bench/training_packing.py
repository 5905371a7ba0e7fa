"""The gain of packing: real tokens per CPU second of forward and backward, packed and padded.

Padded: rows of similar length, sorted over eight steps of sequences, in blocks of the micro-batch's size. Masked: the
same packed rows, separated by transformers' block-diagonal mask in one call of the attention kernel.
"""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from tests.bench.training_timing import interleaved, ratio
from trainers.model.batches import Batch, batch_of, packed
from trainers.model.language_model import LanguageModel
from trainers.model.sequences import Sequence
from trainers.throughput import synthetic_sequences


def compare(
    load: Callable[[], PreTrainedModel],
    shortest: int,
    longest: int,
    micro_batch_tokens: int,
    n_tokens: int,
    repeats: int,
) -> str:
    """A line on sequences of even chances for lengths in [shortest, longest), every token trained."""
    sequences = synthetic_sequences(shortest, longest, n_tokens)
    real = sum(map(len, sequences))
    model, masked = LanguageModel(load()), load()
    rows = [batch_of(micro_batch) for micro_batch in packed(sequences, micro_batch_tokens, len)]
    blocks = [_padded(block) for block in _blocks(sequences, micro_batch_tokens)]
    seconds = interleaved(
        {
            "packed": lambda: [_backward(model(*row).logprobs_N) for row in rows],
            "padded": lambda: [_backward(model(*block).logprobs_N) for block in blocks],
            "masked": lambda: [_backward(_masked_logprobs(masked, row)) for row in rows],
        },
        repeats,
    )
    padding = 1 - real / sum(tokens_BT.numel() for tokens_BT, _ in blocks)
    rates = ", ".join(f"{name} {real / statistics.median(took):,.0f}" for name, took in seconds.items())
    return (
        f"{shortest}-{longest} tokens in micro-batches of {micro_batch_tokens}: real tokens a CPU second: {rates}; "
        f"packed is {ratio(seconds['packed'], seconds['padded']):.2f} times padded ({padding:.1%} padding) "
        f"and {ratio(seconds['packed'], seconds['masked']):.2f} times masked"
    )


def _blocks(sequences: list[Sequence], micro_batch_tokens: int) -> list[list[Sequence]]:
    ordered, blocks = sorted(sequences, key=len, reverse=True), []
    while ordered:
        rows = max(1, round(micro_batch_tokens / len(ordered[0])))
        blocks.append(ordered[:rows])
        ordered = ordered[rows:]
    return blocks


def _padded(block: list[Sequence]) -> tuple[Tensor, Tensor]:
    tokens_BT = torch.zeros(len(block), max(map(len, block)), dtype=torch.int64)
    trained_BT = torch.zeros_like(tokens_BT, dtype=torch.bool)
    for row, sequence in enumerate(block):
        tokens_BT[row, : len(sequence)] = torch.from_numpy(sequence.token_ids)
        trained_BT[row, 1 : len(sequence)] = True
    return tokens_BT, trained_BT


def _masked_logprobs(model: PreTrainedModel, batch: Batch) -> Tensor:
    positions_BT = torch.cat([torch.arange(length) for length in batch.lengths])[None]
    hidden_BTD = model.base_model(batch.tokens_BT, position_ids=positions_BT, use_cache=False).last_hidden_state
    trained = batch.trained_BT[:, 1:]
    return -cross_entropy(model.lm_head(hidden_BTD[:, :-1][trained]), batch.tokens_BT[:, 1:][trained], reduction="none")


def _backward(logprobs_N: Tensor) -> None:
    logprobs_N.mean().backward()

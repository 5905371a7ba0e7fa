"""Sequences packed into micro-batches: several in one row, one after another, without padding.

A micro-batch is one row of about as many tokens as a budget. Micro-batches are shared out to the ranks, so that what a
step trains on does not depend on how many ranks there are.
"""

import heapq
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from trainers.sequences import Sequence

Item = TypeVar("Item")

_NOTHING = Sequence(np.zeros(2, np.int32), np.zeros(2, np.bool_))


class Batch(NamedTuple):
    """A micro-batch as tensors of one row (B = 1); the N true places of ``trained_BT`` are trained.

    ``lengths`` are those of its sequences, in order: no sequence sees another, and positions start anew at each.
    """

    tokens_BT: Tensor
    trained_BT: Tensor
    lengths: list[int]


def packed(items: Iterable[Item], budget: int, length_of: Callable[[Item], int]) -> list[list[Item]]:
    """Share items out to micro-batches of about ``budget`` tokens, as even as can be, so that no rank waits for others.

    There are as many as the tokens would fill, to the nearest number: on average one has 2/3 to 3/2 of the budget, and
    comes close to it where there are many. The longest item comes first, each into the micro-batch that has the fewest
    tokens (Graham's LPT rule); ties are broken by the order of the items.
    """
    ordered = sorted(items, key=lambda item: -length_of(item))
    count = min(len(ordered), max(1, round(sum(map(length_of, ordered)) / budget)))
    micro_batches: list[list[Item]] = [[] for _ in range(count)]
    lightest = [(0, number) for number in range(count)]
    for item in ordered:
        tokens, number = lightest[0]
        micro_batches[number].append(item)
        heapq.heapreplace(lightest, (tokens + length_of(item), number))
    return micro_batches


def share_of(micro_batches: list[list[Item]], rank: int, ranks: int) -> list[list[Item]]:
    """The micro-batches of one rank. All ranks get as many: an empty one where there is none left."""
    mine = micro_batches[rank::ranks]
    most = -(-len(micro_batches) // ranks)
    return mine + [[] for _ in range(most - len(mine))]


def batch_of(micro_batch: list[Sequence], device: torch.device | str = "cpu") -> Batch:
    """Lay sequences one after another; an empty micro-batch becomes two tokens of which none is trained."""
    micro_batch = micro_batch or [_NOTHING]
    tokens_T = np.concatenate([sequence.token_ids for sequence in micro_batch]).astype(np.int64)
    trained_T = np.concatenate([sequence.trained for sequence in micro_batch])
    lengths = [len(sequence) for sequence in micro_batch]
    trained_T[np.cumsum([0, *lengths[:-1]])] = False  # nothing stands before the first token to predict it from
    return Batch(torch.from_numpy(tokens_T)[None].to(device), torch.from_numpy(trained_T)[None].to(device), lengths)


def n_trained(sequences: Iterable[Sequence]) -> int:
    """Trained tokens, as `batch_of` marks them."""
    return sum(sequence.n_trained - int(sequence.trained[0]) for sequence in sequences)

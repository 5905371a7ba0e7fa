"""Sequences packed into micro-batches: several sequences concatenated in one row, without padding.

A micro-batch is one row of at most ``budget`` tokens. Micro-batches are distributed over the ranks, so that the data of
a step does not depend on the number of ranks.
"""

import heapq
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from trainers.model.sequences import Sequence

Item = TypeVar("Item")

_NOTHING = Sequence(np.zeros(2, np.int32), np.zeros(2, np.bool_))


class Batch(NamedTuple):
    """A micro-batch as tensors of one row (B = 1). The N tokens where ``trained_BT`` is true are trained.

    ``lengths`` are the lengths of its sequences, in order. No sequence attends to another, and positions restart at
    each.
    """

    tokens_BT: Tensor
    trained_BT: Tensor
    lengths: list[int]


def packed(items: Iterable[Item], budget: int, length_of: Callable[[Item], int], ranks: int = 1) -> list[list[Item]]:
    """Pack items into micro-batches of at most ``budget`` tokens and similar size, so that no rank waits for others.

    A longer item gets its own micro-batch. The number of micro-batches is close to the minimum: the search starts with
    the number that the tokens would fill. It is a multiple of ``ranks`` if there are enough items. From the longest to
    the shortest, each item goes into the micro-batch with the fewest tokens (Graham's LPT rule); ties are broken by the
    order of the items.
    """
    ordered = sorted(items, key=lambda item: -length_of(item))
    needed = math.ceil(sum(min(length_of(item), budget) for item in ordered) / budget)
    while True:
        count = min(len(ordered), math.ceil(needed / ranks) * ranks)
        micro_batches = _spread(ordered, budget, length_of, count)
        needed = len(micro_batches)
        if needed == count:
            return micro_batches


def _spread(ordered: list[Item], budget: int, length_of: Callable[[Item], int], count: int) -> list[list[Item]]:
    """Pack into ``count`` micro-batches, plus additional ones where items do not fit."""
    micro_batches: list[list[Item]] = [[] for _ in range(count)]
    lightest = [(0, number) for number in range(count)]
    for item in ordered:
        tokens, number = lightest[0]
        if tokens and tokens + length_of(item) > budget:  # the others are fuller still
            heapq.heappush(lightest, (length_of(item), len(micro_batches)))
            micro_batches.append([item])
        else:
            heapq.heapreplace(lightest, (tokens + length_of(item), number))
            micro_batches[number].append(item)
    return micro_batches


def share_of(micro_batches: list[list[Item]], rank: int, ranks: int) -> list[list[Item]]:
    """The micro-batches of one rank. All ranks get the same number, some of them empty: each is a collective call."""
    mine = micro_batches[rank::ranks]
    most = -(-len(micro_batches) // ranks)
    return mine + [[] for _ in range(most - len(mine))]


def batch_of(micro_batch: list[Sequence], device: torch.device | str = "cpu") -> Batch:
    """Concatenate sequences; an empty micro-batch becomes two untrained tokens."""
    micro_batch = micro_batch or [_NOTHING]
    tokens_T = np.concatenate([sequence.token_ids for sequence in micro_batch]).astype(np.int64)
    trained_T = np.concatenate([sequence.trained for sequence in micro_batch])
    lengths = [len(sequence) for sequence in micro_batch]
    trained_T[np.cumsum([0, *lengths[:-1]])] = False  # a sequence's first token has no context to predict it from
    return Batch(torch.from_numpy(tokens_T)[None].to(device), torch.from_numpy(trained_T)[None].to(device), lengths)


def n_trained(sequences: Iterable[Sequence]) -> int:
    """Trained tokens, as `batch_of` marks them."""
    return sum(sequence.n_trained - int(sequence.trained[0]) for sequence in sequences)

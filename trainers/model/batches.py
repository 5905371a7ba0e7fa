"""Sequences packed into micro-batches: several in one row, one after another, without padding.

A micro-batch is one row of at most as many tokens as a budget. Micro-batches are shared out to the ranks, so that what
a step trains on does not depend on how many ranks there are.
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
    """A micro-batch as tensors of one row (B = 1); the N true places of ``trained_BT`` are trained.

    ``lengths`` are those of its sequences, in order: no sequence sees another, and positions start anew at each.
    """

    tokens_BT: Tensor
    trained_BT: Tensor
    lengths: list[int]


def packed(items: Iterable[Item], budget: int, length_of: Callable[[Item], int], ranks: int = 1) -> list[list[Item]]:
    """Share items out to micro-batches of at most ``budget`` tokens, as even as can be: so no rank waits for others.

    An item that is longer has a micro-batch of its own. There are about as few as the bound allows, tried from the
    number that the tokens would fill; a multiple of ``ranks`` where there are items enough. The longest item comes
    first, each into the micro-batch that has the fewest tokens (Graham's LPT rule); ties are broken by the order of the
    items.
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
    """Over ``count`` micro-batches, and as many more as it takes."""
    micro_batches: list[list[Item]] = [[] for _ in range(count)]
    lightest = [(0, number) for number in range(count)]
    for item in ordered:
        tokens, number = lightest[0]
        if tokens and tokens + length_of(item) > budget:  # it has no place in any other either
            heapq.heappush(lightest, (length_of(item), len(micro_batches)))
            micro_batches.append([item])
        else:
            heapq.heapreplace(lightest, (tokens + length_of(item), number))
            micro_batches[number].append(item)
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

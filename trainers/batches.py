"""Sequences as padded micro-batches of about equal size, with little padding.

A micro-batch is a block of sequences of like length whose padded size comes near a budget of tokens. Blocks, not rows,
are shared out to the ranks, so that what a step trains on does not depend on how many ranks there are.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from trainers.sequences import Sequence

Item = TypeVar("Item")


class Batch(NamedTuple):
    """A block as tensors, padded on the right; the N true places of ``trained_BT``, row by row, are trained."""

    tokens_BT: Tensor
    trained_BT: Tensor


def blocks_of(lengths: Mapping[int, int], budget: int) -> list[list[int]]:
    """Cut sequences (id to length) into blocks of like length, longest first, each about ``budget`` padded tokens.

    A block has at least one sequence. Only the last block may fall short. Ties are broken by the order of the mapping.
    """
    ordered = sorted(lengths, key=lambda name: -lengths[name])
    blocks = []
    while ordered:
        rows = max(1, round(budget / lengths[ordered[0]]))
        blocks.append(ordered[:rows])
        ordered = ordered[rows:]
    return blocks


def share_of(blocks: list[list[Item]], rank: int, ranks: int) -> list[list[Item]]:
    """The blocks of one rank. All ranks get as many: an empty block where there is none left."""
    mine = blocks[rank::ranks]
    most = -(-len(blocks) // ranks)
    return mine + [[] for _ in range(most - len(mine))]


def batch_of(block: list[Sequence], device: torch.device | str = "cpu") -> Batch:
    """Pad a block; an empty one becomes a row of two tokens of which none is trained."""
    width = max([2, *map(len, block)])
    tokens_BT = np.zeros((max(1, len(block)), width), dtype=np.int64)
    trained_BT = np.zeros_like(tokens_BT, dtype=np.bool_)
    for row, sequence in enumerate(block):
        tokens_BT[row, : len(sequence)] = sequence.token_ids
        trained_BT[row, : len(sequence)] = sequence.trained
    trained_BT[:, 0] = False  # nothing stands before the first token to predict it from
    return Batch(torch.from_numpy(tokens_BT).to(device), torch.from_numpy(trained_BT).to(device))


def n_trained(sequences: Iterable[Sequence]) -> int:
    """Trained tokens, as `batch_of` marks them."""
    return sum(sequence.n_trained - int(sequence.trained[0]) for sequence in sequences)

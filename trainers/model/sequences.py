"""Training sequences: tokens, with marks on those that the model wrote itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.records import Author, Trajectory
from tasks.agent.tokenizer import AgentTokenizer


@dataclass(frozen=True, slots=True)
class Sequence:
    """``trained`` marks the tokens in the loss; ``logprobs`` are the sampler's, 0 for tokens that it did not sample."""

    token_ids: NDArray[np.int32]
    trained: NDArray[np.bool_]
    logprobs: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.token_ids)

    @property
    def n_trained(self) -> int:
        return int(self.trained.sum())


def sequence_of(trajectory: Trajectory, tokenizer: AgentTokenizer) -> Sequence:
    """A trajectory's tokens, segment by segment; only the model's own segments are trained.

    Sampled token ids are kept. A segment without ids is encoded separately, the first one as the beginning of a
    sequence, so that the tokens are those that the agent loop gives to a model.
    """
    ids: list[int] = []
    trained: list[bool] = []
    logprobs: list[float] = []
    for number, segment in enumerate(trajectory.segments):
        encode = tokenizer.encode if number else tokenizer.begin
        tokens = encode(segment.text) if segment.token_ids is None else segment.token_ids
        if segment.logprobs is not None and len(segment.logprobs) != len(tokens):
            raise ValueError(
                f"trajectory {trajectory.trajectory_id}: the numbers of a segment's logprobs and tokens differ"
            )
        ids += tokens
        trained += [segment.author == Author.MODEL] * len(tokens)
        logprobs += segment.logprobs if segment.logprobs is not None else [0.0] * len(tokens)
    sampled = any(segment.logprobs is not None for segment in trajectory.segments)
    return Sequence(
        token_ids=np.array(ids, dtype=np.int32),
        trained=np.array(trained, dtype=np.bool_),
        logprobs=np.array(logprobs, dtype=np.float32) if sampled else None,
    )

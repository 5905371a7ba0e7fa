"""A causal language model that scores tokens: the one forward pass of all trainers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from trainers.attention import use_packed_attention


@dataclass
class TokenScores:
    """Of the N marked tokens, row by row: the natural log probability, and the entropy at its place if asked for."""

    logprobs_N: Tensor
    entropy_N: Tensor | None


class LanguageModel(nn.Module):
    """A Hugging Face causal model, called with token ids and a mask of the tokens to be scored.

    The head is run at the positions before marked tokens alone.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        use_packed_attention(model)
        self.model = model

    def forward(
        self,
        tokens_BT: Tensor,
        marked_BT: Tensor,
        lengths: Sequence[int] | None = None,
        temperature: float = 1.0,
        with_entropy: bool = False,
    ) -> TokenScores:
        """Score the tokens where ``marked_BT`` is true (never the first of a sequence) at this temperature.

        ``lengths`` are those of the sequences that lie one after another in every row, T in all; by default a row is
        one sequence. A sequence is scored as if it were alone.
        """
        lengths = [tokens_BT.shape[1]] if lengths is None else lengths
        positions_T = torch.cat([torch.arange(length, device=tokens_BT.device) for length in lengths])
        base = self.model.base_model(
            input_ids=tokens_BT, position_ids=positions_T[None], lengths=lengths, use_cache=False
        )
        marked = marked_BT[:, 1:]
        logits_NV = self.model.lm_head(base.last_hidden_state[:, :-1][marked]).float() / temperature
        logprobs_N = -cross_entropy(logits_NV, tokens_BT[:, 1:][marked], reduction="none")
        return TokenScores(logprobs_N, _entropy(logits_NV) if with_entropy else None)


@torch.no_grad()
def _entropy(logits_NV: Tensor) -> Tensor:
    return torch.special.entr(logits_NV.softmax(-1)).sum(-1)

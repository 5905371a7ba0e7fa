"""A causal language model that scores tokens: the one forward pass of all trainers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel


@dataclass
class TokenScores:
    """Of the N marked tokens, row by row: the natural log probability, and the entropy at its place if asked for."""

    logprobs_N: Tensor
    entropy_N: Tensor | None


class LanguageModel(nn.Module):
    """A Hugging Face causal model, called with token ids and a mask of the tokens to be scored.

    Rows are padded on the right, where no real token can see: causal attention needs no mask, and the head is run at
    the positions before marked tokens alone.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens_BT: Tensor, marked_BT: Tensor, temperature: float = 1.0, with_entropy: bool = False
    ) -> TokenScores:
        """Score the tokens where ``marked_BT`` is true (never the first of a row) at this temperature."""
        hidden_BTD = self.model.base_model(input_ids=tokens_BT[:, :-1], use_cache=False).last_hidden_state
        marked = marked_BT[:, 1:]
        logits_NV = self.model.lm_head(hidden_BTD[marked]).float() / temperature
        logprobs_N = -cross_entropy(logits_NV, tokens_BT[:, 1:][marked], reduction="none")
        return TokenScores(logprobs_N, _entropy(logits_NV) if with_entropy else None)


@torch.no_grad()
def _entropy(logits_NV: Tensor) -> Tensor:
    return torch.special.entr(logits_NV.softmax(-1)).sum(-1)

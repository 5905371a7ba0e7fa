"""A causal language model that scores tokens: the one forward pass of all trainers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from trainers.model.attention import use_packed_attention


@dataclass
class TokenScores:
    """Of the N marked tokens, row by row: the natural log probability, and the entropy at its place if asked for."""

    logprobs_N: Tensor
    entropy_N: Tensor | None


class LanguageModel(nn.Module):
    """A Hugging Face causal model, called with token ids and a mask of the tokens to be scored.

    The head is run at the positions before marked tokens alone.

    Nothing is dropped out, whatever the model's config says (attention, residuals, embeddings, layers) and in whatever
    mode: the same weights give the same tokens the same probability. A ratio to the policy before an update, a probe
    that trainer and engine must agree on, and a training that goes on from a checkpoint all rest on that.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        use_packed_attention(model)
        self.model = model
        self.train()

    def train(self, mode: bool = True) -> "LanguageModel":
        """Of the two modes of PyTorch, the model stays in that of evaluation, in which nothing is dropped out.

        Only the layers that recompute their activations have to be in the other one for that: their own numbers for
        dropout are set to 0.
        """
        super().train(False)
        for layer in self.model.modules():
            if mode and isinstance(layer, GradientCheckpointingLayer) and layer.gradient_checkpointing:
                layer.training = True
                for name, value in vars(layer).items():
                    if "drop" in name and isinstance(value, float):
                        setattr(layer, name, 0.0)
        return self

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

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
    """The natural log probabilities of the N marked tokens, row by row, and optionally the entropies in nats."""

    logprobs_N: Tensor
    entropy_N: Tensor | None


class LanguageModel(nn.Module):
    """A Hugging Face causal model, called with token ids and a mask of the tokens to be scored.

    The head runs only at the positions before marked tokens.

    Dropout is off in every mode, even if the model's config sets it (attention, residuals, embeddings, layers): the
    same weights give the same tokens the same probability. Three things depend on that: the ratio to the policy before
    an update, the probe on which trainer and engine must agree, and a training that resumes from a checkpoint.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        use_packed_attention(model)
        self.model = model
        self.train()

    def train(self, mode: bool = True) -> "LanguageModel":
        """Keep the model in PyTorch's evaluation mode, which turns dropout off.

        Layers with activation checkpointing recompute only in training mode, so they are put into it, and their own
        dropout rates are set to 0.
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

        ``lengths`` are the lengths of the concatenated sequences of every row, T in total; by default a row is one
        sequence. Each sequence is scored as if it were alone.
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
    entropy_N: Tensor = torch.special.entr(logits_NV.softmax(-1)).sum(-1)
    return entropy_N

"""A real model that follows rules: what it writes next depends on the last token only.

Attention and feed-forward layers add nothing; a token's head looks for the embeddings of those that it follows.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM


def save_automaton(folder: Path, vocabulary: int, successors: Mapping[int, Sequence[int]], longest: int = 512) -> None:
    """``successors``: for a token, what follows it, the likeliest first; nothing else comes near."""
    torch.manual_seed(1)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=longest,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embeddings_VD = torch.nn.functional.normalize(torch.randn(vocabulary, config.hidden_size), dim=-1)
        model.model.embed_tokens.weight.copy_(embeddings_VD)
        model.lm_head.weight.zero_()
        for token, following in successors.items():
            for rank, successor in enumerate(following):
                model.lm_head.weight[successor] += embeddings_VD[token] * (4.0 - 1.5 * rank)
    model.save_pretrained(folder)


def save_chain(folder: Path, vocabulary: int, chances: Mapping[int, Mapping[int, float]], layers: int = 1) -> None:
    """A Markov chain in the shape of the sample's model: ``chances`` of what follows a token, at temperature 1.

    At most 128 tokens follow or are followed; anything else comes less than once in a million.
    """
    hidden = 128
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    used = sorted({*chances, *(token for following in chances.values() for token in following)})
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        # The norm before the head makes vectors of length sqrt(hidden) of these; orthogonal, they do not meddle.
        directions_ND = torch.eye(hidden)[: len(used)]
        model.model.embed_tokens.weight[used] = directions_ND
        model.lm_head.weight.zero_()
        for direction_D, token in zip(directions_ND, used, strict=True):
            for successor, chance in chances.get(token, {}).items():
                model.lm_head.weight[successor] += direction_D * (30 + math.log(chance)) / math.sqrt(hidden)
    model.save_pretrained(folder)

"""A text has one vector, alone and in any batch, independent of the tokenizer's settings for padding."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval_index.encoder import Encoder, positions_of, refuse_long_texts
from retrieval_index.hits import Query
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import EncoderSettings, IndexSettings
from schemas.errors import BadInput

WORDS = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
TEXTS = ["ba", " ".join(WORDS[:40]), "de fi go", "ba be bi bo bu " * 9, "ta", ""]
SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>"}


def save_encoder(folder: Path, kind: str, positions: int = 64, embeddings: int = 0, **tokenizer: Any) -> str:
    """A small encoder of random weights, its tokenizer with these settings (a token set to None is left out)."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModel, BertConfig, GPT2Config, PreTrainedTokenizerFast, RobertaConfig

    vocabulary = {word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    if kind != "gpt2":
        plain.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    named = {name: token for name, token in {**SPECIAL, **tokenizer}.items() if token is not None}
    PreTrainedTokenizerFast(tokenizer_object=plain, **named).save_pretrained(folder)
    torch.manual_seed(3)
    shared: dict[str, Any] = {"vocab_size": embeddings or len(vocabulary), "initializer_range": 1.0}
    wide: dict[str, Any] = {
        **shared,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    config: Any = {
        "bert": lambda: BertConfig(**wide, max_position_embeddings=positions, pad_token_id=1),
        "roberta": lambda: RobertaConfig(**wide, max_position_embeddings=positions + 2, pad_token_id=1),
        "gpt2": lambda: GPT2Config(**shared, n_embd=32, n_layer=2, n_head=2, n_positions=positions),
    }[kind]()
    AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("kind", "pad"), [("bert", "<pad>"), ("roberta", "<pad>"), ("gpt2", "<pad>"), ("bert", None)])
def test_a_text_has_the_same_vector_alone_and_in_a_batch(
    tmp_path: Path, kind: str, pad: str | None, side: str, pooling: str
) -> None:
    path = save_encoder(tmp_path, kind, padding_side=side, pad_token=pad)
    encoder = Encoder(EncoderSettings.model_validate({"path": path, "pooling": pooling, "max_tokens": 48}))
    together = encoder.passages(TEXTS)
    alone = np.concatenate([encoder.passages([text]) for text in TEXTS])
    held = np.linalg.norm(alone, axis=1) > 0.5
    assert held[:-1].all()
    assert ((together * alone).sum(1)[held] > 0.9999).all()
    assert np.array_equal(together[~held], alone[~held])
    if not (kind == "gpt2" and pooling == "first"):  # a decoder's first position has read one token alone
        assert together[0] @ together[4] < 0.999, "another text has another vector"


def test_an_encoder_without_any_special_token_encodes(tmp_path: Path) -> None:
    path = save_encoder(tmp_path, "gpt2", pad_token=None, eos_token=None, bos_token=None)
    vectors = Encoder(EncoderSettings(path=path, max_tokens=48)).passages(TEXTS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1, 1, 0], abs=1e-5)
    settings = IndexSettings.model_validate({"kind": "dense", "encoder": {"path": path, "max_tokens": 48}})
    build_index([("1-0", "ba", "be"), ("2-0", "du", "fo")], str(tmp_path / "index"), settings)
    found = open_index(str(tmp_path / "index")).search([Query("ba\nbe"), Query("\u200b ")], 1)
    assert [hit.passage_id for hit in found[0]] == ["1-0"]


@pytest.mark.parametrize(("kind", "positions"), [("bert", 20), ("roberta", 20), ("gpt2", 20)])
def test_texts_as_long_as_the_encoder_reads_are_encoded_and_longer_ones_refused(
    tmp_path: Path, kind: str, positions: int
) -> None:
    path = save_encoder(tmp_path, kind, positions)
    assert positions_of(path) == positions
    Encoder(EncoderSettings(path=path, max_tokens=positions)).passages(TEXTS)
    too_long = EncoderSettings(path=path, max_tokens=positions + 1)
    said = f"encoder.max_tokens is {positions + 1}, but {path} reads at most {positions} tokens"
    for refuse in (lambda settings: refuse_long_texts(settings.path, settings.max_tokens), Encoder):
        with pytest.raises(BadInput) as refused:
            refuse(too_long)
        assert str(refused.value).startswith(said)
    settings = IndexSettings.model_validate({"kind": "dense", "encoder": {"path": path, "max_tokens": positions + 1}})
    with pytest.raises(BadInput, match="reads at most"):
        build_index([("1-0", "ba", "be")], str(tmp_path / "index"), settings)
    assert not (tmp_path / "index").exists()


def test_a_tokenizer_of_another_model_and_too_few_tokens_are_refused(tmp_path: Path) -> None:
    path = save_encoder(tmp_path / "other", "bert", embeddings=20)
    with pytest.raises(BadInput, match="the tokenizer has 64 ids, but the model embeds only 20"):
        Encoder(EncoderSettings(path=path, max_tokens=32))
    path = save_encoder(tmp_path / "few", "bert")
    with pytest.raises(BadInput, match="adds 2 tokens to every text: set 3 or more"):
        Encoder(EncoderSettings(path=path, max_tokens=2))


def test_a_config_that_names_no_limit_has_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    assert positions_of(str(tmp_path)) is None
    for text in ("[]", "{", "7"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(BadInput, match="not a model's config"):
            positions_of(str(tmp_path))

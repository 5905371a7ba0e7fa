"""Dense and hybrid search with a small encoder of random weights: equal words are near each other nevertheless."""

import random
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from retrieval_index import dense
from retrieval_index.encoder import Encoder
from retrieval_index.hits import Hit, Query, is_held_back
from retrieval_index.hybrid import fuse
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import EncoderSettings, IndexSettings
from schemas.errors import BadInput

WORDS = [a + b + c for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u") for c in ("n", "r", "s", "")]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(special) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=1.0,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


def made_up(count: int) -> list[tuple[str, str, str]]:
    draw = random.Random(1)
    return [(f"{n // 2}-{n % 2}", draw.choice(WORDS), " ".join(draw.choices(WORDS, k=8))) for n in range(count)]


def settings(kind: str, encoder: str) -> IndexSettings:
    return IndexSettings.model_validate({"kind": kind, "encoder": {"path": encoder}})


@pytest.mark.parametrize("kind", ["dense", "hybrid"])
def test_a_passage_is_found_by_its_own_words_unless_it_is_held_back(tmp_path: Path, encoder: str, kind: str) -> None:
    passages = made_up(60)
    build_index(passages, str(tmp_path / "index"), settings(kind, encoder))
    searcher = open_index(str(tmp_path / "index"), verify=True)
    own = [f"{title}\n{text}" for _, title, text in passages]
    for (passage_id, title, text), (first, *_) in zip(
        passages, searcher.search([Query(words) for words in own], 3), strict=True
    ):
        assert (first.passage_id, first.title, first.text) == (passage_id, title, text)
    held = [Query(words, passage_id.partition("-")[0]) for (passage_id, _, _), words in zip(passages, own, strict=True)]
    for query, hits in zip(held, searcher.search(held, 58), strict=True):
        assert not any(is_held_back(hit.passage_id, query.hold_back) for hit in hits)
        assert len(hits) == 58
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert searcher.search([Query(" ")], 3) == [[]]


def test_vectors_are_those_of_the_model_and_no_text_controls_it(encoder: str) -> None:
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["ban din", "bor", " ".join(WORDS[:40]), "ban [SEP] din [PAD] [MASK]"]
    for pooling in ("mean", "first"):
        vectors = Encoder(EncoderSettings(path=encoder, pooling=pooling, max_tokens=16)).passages(texts)
        model, tokenizer = AutoModel.from_pretrained(encoder).eval(), AutoTokenizer.from_pretrained(encoder)
        for vector, text in zip(vectors, texts, strict=True):
            plain = tokenizer(text, truncation=True, max_length=16, return_tensors="pt", split_special_tokens=True)
            with torch.no_grad():
                states_TD = model(**plain).last_hidden_state[0]
            wanted_D = states_TD[0] if pooling == "first" else states_TD.mean(0)
            assert np.allclose(vector, torch.nn.functional.normalize(wanted_D, dim=0), atol=1e-5), text


def test_many_passages_are_searched_by_cells(tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "EXACT_BELOW", 500)
    passages = made_up(2000)
    build_index(passages, str(tmp_path / "index"), settings("dense", encoder))
    found = open_index(str(tmp_path / "index")).search([Query(f"{title}\n{text}") for _, title, text in passages], 1)
    firsts = [hits[0].passage_id for hits in found]
    assert sum(first == passage[0] for first, passage in zip(firsts, passages, strict=True)) > 1950


def test_reciprocal_ranks_are_added_and_equal_sums_ordered_by_id() -> None:
    def ranking(*passage_ids: str) -> list[Hit]:
        return [Hit(passage_id, 9.0, "title", passage_id) for passage_id in passage_ids]

    fused = fuse([ranking("a", "b", "c"), ranking("c", "d")], 3)
    assert [hit.passage_id for hit in fused] == ["c", "a", "b"], "b and d are equal"
    assert [hit.score for hit in fused] == pytest.approx([1 / 63 + 1 / 61, 1 / 61, 1 / 62])


def test_another_encoder_than_the_one_that_built_it_is_refused(tmp_path: Path, encoder: str) -> None:
    own = str(shutil.copytree(encoder, tmp_path / "encoder"))
    build_index(made_up(5), str(tmp_path / "index"), settings("dense", own))
    with (tmp_path / "encoder" / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BadInput, match="not the encoder that built"):
        open_index(str(tmp_path / "index"))
    shutil.rmtree(own)
    with pytest.raises(BadInput, match="no encoder"):
        open_index(str(tmp_path / "index"))
    with pytest.raises(BadInput, match="no encoder"):
        build_index(made_up(5), str(tmp_path / "other"), settings("dense", own))
    assert not (tmp_path / "other").exists()


def test_an_id_given_twice_is_refused(tmp_path: Path, encoder: str) -> None:
    with pytest.raises(BadInput, match="several passages have the passage_id '1-1'"):
        build_index([*made_up(6), ("1-1", "a", "b")], str(tmp_path / "index"), settings("dense", encoder))
    assert list(tmp_path.iterdir()) == []


def test_damaged_vectors_are_reported(tmp_path: Path, encoder: str) -> None:
    build_index(made_up(5), str(tmp_path / "index"), settings("dense", encoder))
    for name in ("vectors.faiss", "passages.arrow"):
        path = tmp_path / "index" / "dense" / name
        whole = path.read_bytes()
        path.write_bytes(bytes(len(whole)))
        with pytest.raises(BadInput, match="damaged"):
            open_index(str(tmp_path / "index"))
        path.write_bytes(whole)


def test_an_encoder_belongs_to_the_kinds_that_use_it() -> None:
    with pytest.raises(ValidationError, match="kind dense needs an encoder"):
        IndexSettings(kind="dense")
    with pytest.raises(ValidationError, match="kind bm25 has no encoder"):
        IndexSettings(encoder=EncoderSettings(path="x"))

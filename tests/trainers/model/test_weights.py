"""Models' folders: made from nothing by a seed, or fitted to a tokenizer that has more entries."""

import json
from pathlib import Path

import pytest
import torch

from schemas.errors import BadInput
from schemas.settings import ModelSettings
from trainers.model.weights import load_model, new_model

SMALL = ModelSettings(hidden=32, layers=2, heads=2, intermediate=64, max_position=512)


def _bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_same_seed_makes_the_same_model_and_another_one_another(tmp_path: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        new_model(SMALL.model_copy(update={"seed": seed}), 300, str(tmp_path / name))
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b") != _bytes(tmp_path / "c")
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert (config["model_type"], config["vocab_size"], config["tie_word_embeddings"]) == ("qwen2", 300, True)
    assert (config["rope_parameters"]["rope_theta"], config["max_position_embeddings"]) == (10_000.0, 512)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_model_s_folder_gets_rows_for_new_tokens_and_keeps_its_own(tmp_path: Path):
    new_model(SMALL, 300, str(tmp_path / "published"))
    for vocabulary in (300, 280, 311):
        out = tmp_path / str(vocabulary)
        new_model(ModelSettings(path=str(tmp_path / "published")), vocabulary, str(out))
        before = load_model(str(tmp_path / "published")).get_input_embeddings().weight
        after = load_model(str(out)).get_input_embeddings().weight
        assert len(after) == max(300, vocabulary)
        assert torch.equal(after[:300], before)


def test_bad_settings_and_folders_are_reported_in_one_line(tmp_path: Path):
    with pytest.raises(BadInput, match="even multiple"):
        new_model(SMALL.model_copy(update={"heads": 3}), 300, str(tmp_path / "x"))
    with pytest.raises(BadInput, match="no model there") as raised:
        load_model(str(tmp_path / "nothing"))
    assert "\n" not in str(raised.value)

"""How many parameters an architecture has, by its settings alone."""

import json

import pytest

from schemas.settings import ModelSettings
from schemas.sizes import SIZES, architecture_in, parameters_of, working_parameters_of

SMALL = ModelSettings(hidden=8, layers=2, heads=4, key_value_heads=2, intermediate=16, vocabulary=10)


def test_parameters_are_counted_by_hand():
    # A layer: queries 8·8+8, keys and values 2·(8·4+4), output 8·8, the three of the MLP 3·8·16, two norms 2·8.
    layer = 72 + 72 + 64 + 384 + 16
    assert parameters_of(SMALL) == 2 * layer + 8 + 10 * 8
    assert parameters_of(SMALL, token_ids=12) == parameters_of(SMALL) + 2 * 8, "the tokenizer has more ids"


def test_an_untied_embedding_counts_but_does_not_work():
    untied = SMALL.model_copy(update={"tied": False})
    assert parameters_of(untied) == parameters_of(SMALL) + 80
    assert working_parameters_of(untied) == working_parameters_of(SMALL) == parameters_of(SMALL)


@pytest.mark.parametrize(
    ("size", "parameters"), [("0.5B", 494_032_768), ("1.5B", 1_543_714_304), ("7B", 7_615_616_512)]
)
def test_sizes_are_those_of_the_published_models(size, parameters):
    assert parameters_of(SIZES[size]) == parameters


def test_the_architecture_of_a_folder_is_that_of_its_config(tmp_path):
    told = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    told |= {"intermediate_size": 16, "vocab_size": 10, "max_position_embeddings": 64, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(told))
    found = architecture_in(str(tmp_path))
    assert found is not None
    assert parameters_of(found) == parameters_of(SMALL)


def test_a_folder_without_a_model_has_no_architecture(tmp_path):
    assert architecture_in(str(tmp_path)) is None

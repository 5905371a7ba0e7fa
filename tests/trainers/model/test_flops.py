"""The arithmetic of a model, worked out by hand, and against the weights that a model really has."""

import torch

from schemas.settings import ModelSettings
from schemas.sizes import architecture_in, parameters_of
from trainers.model.flops import matrix_flops_per_second, training_flops
from trainers.model.weights import load_model, new_model

SMALL = ModelSettings(
    hidden=32, layers=2, heads=4, key_value_heads=2, intermediate=64, vocabulary=300, max_position=512
)


def test_flops_are_six_a_parameter_and_token_and_the_attention_of_each_sequence():
    parameters = parameters_of(SMALL)
    alone = 6 * parameters * 10 + 6 * 2 * 32 * 10**2
    assert training_flops(SMALL, [10]) == alone
    assert training_flops(SMALL, [10, 10]) == 2 * alone, "no sequence sees another"
    assert training_flops(SMALL, [20]) == 6 * parameters * 20 + 6 * 2 * 32 * 400


def test_an_embedding_beside_the_head_costs_nothing():
    untied = SMALL.model_copy(update={"tied": False})
    assert training_flops(untied, [7]) == training_flops(SMALL, [7])


def test_a_model_is_written_with_the_heads_rows_and_precision_that_its_settings_ask_for(tmp_path):
    for name, change in {"tied": {}, "untied": {"tied": False, "dtype": "bf16"}}.items():
        settings = SMALL.model_copy(update=change)
        new_model(settings, 200, str(tmp_path / name))
        model = load_model(str(tmp_path / name))
        assert sum(weight.numel() for weight in model.parameters()) == parameters_of(settings)
        assert model.config.num_key_value_heads == 2
        assert model.config.vocab_size == 300
        assert next(model.parameters()).dtype == (torch.bfloat16 if name == "untied" else torch.float32)
        found = architecture_in(str(tmp_path / name))
        assert found is not None
        assert parameters_of(found) == parameters_of(settings)


def test_a_matrix_rate_is_measured():
    assert matrix_flops_per_second(torch.device("cpu"), torch.float32) > 1e8

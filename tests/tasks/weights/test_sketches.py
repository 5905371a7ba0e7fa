"""Two copies of a model are told apart by the layer that differs, whole or divided among processes."""

import numpy as np
import pytest
import torch
from torch import nn

from tasks.weights.sketches import Sketches, most_different, sketches_of


def _copy(model: nn.Module) -> Sketches:
    return {name: values.copy() for name, values in sketches_of(model).items()}


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.ModuleDict(
        {"embed": nn.Embedding(200, 8), "linear": nn.Linear(8, 6), "wide": nn.Linear(6, 4), "norm": nn.LayerNorm(4)}
    )


@pytest.mark.parametrize("layer", ["embed", "linear", "wide", "norm"])
def test_the_layer_that_differs_is_named(model: nn.Module, layer: str):
    before = _copy(model)
    assert most_different(before, [_copy(model)])[1] == 0
    with torch.no_grad():
        model[layer].weight.mul_(1.01)
    name, distance = most_different(before, [_copy(model)])
    assert name == layer
    assert 0 < distance < 0.02


def test_a_bias_counts(model: nn.Module):
    before = _copy(model)
    with torch.no_grad():
        model["wide"].bias[2] += 1.0
    assert most_different(before, [_copy(model)])[0] == "wide"


def test_shares_of_several_processes_are_put_together_and_overlapping_ones_left_out(model: nn.Module):
    ours = _copy(model)
    halves = [{**ours, "linear": half} for half in np.split(ours["linear"], 2)]
    assert most_different(ours, halves)[1] == 0
    halves[1]["linear"] = halves[1]["linear"] + 1
    assert most_different(ours, halves)[0] == "linear"
    overlapping = [{**each, "linear": ours["linear"][:4] + 9} for each in halves]
    assert most_different(ours, overlapping) == ("embed", 0.0)


def test_what_is_no_number_differs_most(model: nn.Module):
    ours, theirs = _copy(model), _copy(model)
    theirs["wide"][0] = np.nan
    theirs["linear"] *= 5
    assert most_different(ours, [theirs])[0] == "wide"

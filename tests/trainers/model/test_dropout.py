"""Whatever a model's config drops out, nothing is while it is scored or trained."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PhiConfig, PhiForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from schemas.training_settings import CurriculumPhase, DapoSettings, EngineeringSettings, OptimiserSettings
from tests.support.plain_engine import PlainEngine
from trainers.model.batches import batch_of
from trainers.model.language_model import LanguageModel
from trainers.model.sequences import Sequence
from trainers.rl.policy import Experience, PolicyUpdate

SIZES = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"intermediate_size": 64, "initializer_range": 0.3}


def _qwen() -> PreTrainedModel:
    return Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=2, attention_dropout=0.5))


def _phi() -> PreTrainedModel:
    return PhiForCausalLM(PhiConfig(**SIZES, attention_dropout=0.5, resid_pdrop=0.5, embd_pdrop=0.5))


@pytest.fixture(params=[_qwen, _phi], ids=["attention", "attention, residuals and embeddings"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.manual_seed(1)
    return request.param()


def _sequence() -> Sequence:
    token_ids = np.random.default_rng(1).integers(0, 300, 40).astype(np.int32)
    return Sequence(token_ids, np.arange(40) >= 8)


@pytest.mark.parametrize("recomputed", [False, True], ids=["stored", "recomputed"])
def test_the_same_weights_score_the_same_in_every_mode(model: PreTrainedModel, recomputed: bool):
    if recomputed:
        model.gradient_checkpointing_enable()
    language_model, batch = LanguageModel(model), batch_of([_sequence()])
    scores = [language_model(*batch).logprobs_N for _ in range(2)]
    scores += [each(*batch).logprobs_N for each in (language_model.train(), language_model.eval())]
    with torch.no_grad():
        scores.append(language_model.train()(*batch).logprobs_N)
    assert all(torch.equal(scores[0], other) for other in scores[1:])


def test_activations_are_recomputed_all_the_same(model: PreTrainedModel):
    """As many layers run again in the backward pass as the model has."""
    model.gradient_checkpointing_enable()
    language_model, runs = LanguageModel(model), []
    for layer in model.base_model.layers:
        layer.self_attn.register_forward_hook(lambda *_: runs.append(1))
    language_model(*batch_of([_sequence()])).logprobs_N.sum().backward()
    assert len(runs) == 2 * len(model.base_model.layers)


def test_numbers_of_a_layer_s_own_are_set_to_nought():
    """As in models whose layers drop out by a function, in the mode that recomputing needs."""
    torch.manual_seed(1)
    model = _qwen()
    model.gradient_checkpointing_enable()
    layer = model.base_model.layers[0]
    layer.hidden_dropout = 0.5
    layer.register_forward_hook(
        lambda own, _, out: nn.functional.dropout(out, own.hidden_dropout, training=own.training)
    )
    language_model, batch = LanguageModel(model), batch_of([_sequence()])
    assert torch.equal(language_model(*batch).logprobs_N, language_model(*batch).logprobs_N)


def test_a_policy_without_an_update_has_ratios_of_one(training_files: Path, tmp_path: Path):
    """A rate of 0, several mini-batches: every ratio is to the same weights."""
    folder = _with_dropout(training_files, tmp_path)
    engine, random = PlainEngine(folder), np.random.default_rng(1)
    assert engine.model.model.config.attention_dropout == 0.5
    experiences = []
    for number in range(6):
        token_ids = random.integers(20, 200, 30).astype(np.int32)
        trained = np.arange(30) >= 8
        logprobs = np.zeros(30, np.float32)
        with torch.no_grad():
            logprobs[trained] = engine.score(*batch_of([Sequence(token_ids, trained)])).logprobs_N.numpy()
        experiences.append(Experience(Sequence(token_ids, trained, logprobs), 1.0 if number % 2 else -1.0))
    settings = DapoSettings(
        curriculum=[CurriculumPhase(max_masks=1, steps=1)],
        optimiser=OptimiserSettings(lr=1e-3),
        engineering=EngineeringSettings(micro_batch_tokens=100),
    )
    figures = PolicyUpdate(engine, settings, lambda number: 0.0).run(0, experiences)
    assert figures["kl"] == pytest.approx(0, abs=1e-6)
    assert figures["clip_share"] == 0
    assert figures["sampler_gap"] < 1e-5


def _with_dropout(training_files: Path, folder: Path) -> str:
    for path in (training_files / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "attention_dropout": 0.5}))
    return str(folder)

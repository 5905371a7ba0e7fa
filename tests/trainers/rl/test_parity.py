"""After an update a real engine agrees with the trainer, or the run stops and names the layer that is not the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from schemas.errors import RunFailed
from schemas.runtime import EngineRuntime, PlacementRuntime
from schemas.settings import ModelSettings
from tasks.engines.vllm_engine import VllmEngine
from tasks.weights.new_weights import NewWeights
from tasks.weights.sketches import Sketches
from tests.support.plain_engine import PlainEngine
from trainers.model.weights import new_model
from trainers.rl.parity import EngineWeights

pytestmark = pytest.mark.slow

PROBE = list(range(3, 90))
TOGETHER = PlacementRuntime()


class OneEngine:
    """What `EngineWeights` asks of rollouts, by one engine in this process."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine

    def publish(self, weights: NewWeights) -> None:
        self._engine.load_weights(weights.folder(), weights.version)

    def score(self, token_ids: list[int]) -> list[list[float]]:
        return [self._engine.score(token_ids)]

    def sketches(self) -> list[list[Sketches]]:
        return [self._engine.sketches()]


class Careless(PlainEngine):
    """Publishes one of its weights wrong, where it is told to."""

    wrong: str | None = None

    def whole_weights(self) -> dict[str, torch.Tensor]:
        weights = super().whole_weights()
        if self.wrong is not None:
            weights[self.wrong][3] *= 4.0
        return weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("parity") / "model")
    new_model(ModelSettings(hidden=64, layers=3, heads=2, intermediate=96, max_position=128, init_std=0.2), 96, folder)
    return folder


@pytest.fixture(scope="module")
def engine(model: str) -> Iterator[VllmEngine]:
    with VllmEngine(model, EngineRuntime(in_flight=4, threads=1), max_tokens=128) as started:
        yield started


@pytest.mark.parametrize(
    "layer",
    [
        "model.layers.1.self_attn.k_proj",  # one of three matrices that the engine keeps in one
        "model.layers.2.mlp.up_proj",
        "model.layers.0.mlp.down_proj",
        "model.layers.1.post_attention_layernorm",
        "model.norm",
    ],
)
def test_the_layer_that_was_published_wrong_is_named(model: str, engine: VllmEngine, layer: str, tmp_path: Path):
    trainer = Careless(model)
    weights = EngineWeights(
        trainer, OneEngine(engine), PROBE, tolerance=1e-3, scratch=tmp_path / "weights", placement=TOGETHER
    )
    assert weights.publish(1) < 1e-3
    trainer.wrong = f"{layer}.weight"
    with pytest.raises(RunFailed, match=f"the layer that differs most is {layer}, ") as stopped:
        weights.publish(2)
    assert "(0.001 is allowed)" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_a_head_that_is_not_that_of_the_embedding_is_named(model: str, engine: VllmEngine, tmp_path: Path):
    trainer = PlainEngine(model)
    weights = EngineWeights(
        trainer, OneEngine(engine), PROBE, tolerance=1e-3, scratch=tmp_path / "weights", placement=TOGETHER
    )
    weights.publish(1)

    class Stale(OneEngine):
        """An engine that keeps the head of the weights before, as vLLM would on CPUs (weight_transfer.py)."""

        def publish(self, weights: NewWeights) -> None:
            engine._run(lambda: self._keep(weights.folder()))

        def _keep(self, folder: str) -> None:
            head = engine._llm.collective_rpc(lambda worker: worker.get_model().lm_head)[0]
            kept = head.cpu_linear
            engine._update({"folder": folder}, 3)
            head.cpu_linear = kept

    trainer.model.model.get_input_embeddings().weight.data[7:60] *= 1.5
    weights = EngineWeights(
        trainer, Stale(engine), PROBE, tolerance=1e-3, scratch=tmp_path / "weights", placement=TOGETHER
    )
    with pytest.raises(RunFailed, match="the layer that differs most is lm_head, "):
        weights.publish(2)

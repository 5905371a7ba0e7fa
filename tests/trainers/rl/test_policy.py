"""A policy update: good rollouts become likelier and bad ones less so; and the hand-over of weights to the engine."""

from pathlib import Path

import numpy as np
import pytest
import torch

from schemas.errors import RunFailed
from schemas.runtime import PlacementRuntime
from schemas.training_settings import CurriculumPhase, DapoSettings, EngineeringSettings, OptimiserSettings
from tasks.weights.new_weights import NewWeights
from tasks.weights.sketches import Sketches
from tests.support.plain_engine import PlainEngine
from trainers.model.batches import batch_of
from trainers.model.sequences import Sequence
from trainers.ranks.deepspeed_engine import learning_rate
from trainers.rl.parity import EngineWeights
from trainers.rl.policy import Experience, PolicyUpdate


def _logprobs(engine: PlainEngine, sequence: Sequence) -> np.ndarray:
    with torch.no_grad():
        return engine.score(*batch_of([sequence])).logprobs_N.numpy()


def _experiences(engine: PlainEngine, shift: float = 0.0) -> list[Experience]:
    """Eight rollouts of unlike lengths, the even ones good, with logprobs of a sampler that is off by ``shift``."""
    random, experiences = np.random.default_rng(1), []
    for number in range(8):
        token_ids = random.integers(20, 200, 20 + 5 * number).astype(np.int32)
        trained = np.arange(len(token_ids)) >= 8
        logprobs = np.zeros(len(token_ids), np.float32)
        logprobs[trained] = _logprobs(engine, Sequence(token_ids, trained)) - shift
        experiences.append(Experience(Sequence(token_ids, trained, logprobs), 1.0 if number % 2 == 0 else -1.0))
    return experiences


def _settings(**changes) -> DapoSettings:
    return DapoSettings(
        curriculum=[CurriculumPhase(max_masks=1, steps=1)],
        optimiser=OptimiserSettings(lr=1e-3),
        engineering=EngineeringSettings(micro_batch_tokens=100),
        **changes,
    )


@pytest.fixture
def engine(training_files: Path) -> PlainEngine:
    return PlainEngine(str(training_files / "model"))


def test_good_rollouts_become_likelier_and_bad_ones_less_so(engine: PlainEngine):
    experiences = _experiences(engine)
    figures = PolicyUpdate(engine, _settings(minibatches=2), lambda number: 1e-3).run(0, experiences)
    for experience in experiences:
        own = experience.sequence.logprobs[experience.sequence.trained]
        assert np.sign((_logprobs(engine, experience.sequence) - own).mean()) == experience.advantage
    assert engine.steps == 2
    assert figures["importance"] == pytest.approx(1.0, abs=1e-5)
    assert figures["importance_ess"] == pytest.approx(1.0, abs=1e-5)
    assert figures["sampler_gap"] < 1e-5
    assert figures["trained_tokens"] == sum(experience.sequence.n_trained for experience in experiences)
    assert figures["kl"] > 0


def test_the_drift_of_the_sampler_is_reported(engine: PlainEngine):
    figures = PolicyUpdate(engine, _settings(), lambda number: 0.0).run(0, _experiences(engine, shift=0.8))
    assert figures["importance"] == pytest.approx(np.exp(0.8), rel=1e-4)
    assert figures["importance_truncated"] == 1.0
    assert figures["sampler_gap"] == pytest.approx(0.8, abs=1e-4)


def test_rates_are_those_of_the_mini_batches_of_the_step(engine: PlainEngine):
    asked: list[int] = []
    PolicyUpdate(engine, _settings(minibatches=4), lambda number: asked.append(number) or 1e-4).run(
        3, _experiences(engine)
    )
    assert sorted(set(asked)) == [12, 13, 14, 15]


def test_the_update_does_not_depend_on_how_it_is_cut_into_micro_batches(training_files: Path):
    engines = [PlainEngine(str(training_files / "model")) for _ in range(2)]
    for engine, budget in zip(engines, (30, 4000), strict=True):
        settings = _settings(minibatches=1).model_copy(
            update={"engineering": EngineeringSettings(micro_batch_tokens=budget)}
        )
        PolicyUpdate(engine, settings, lambda number: 1e-3).run(0, _experiences(engine))
    for one, other in zip(*(engine.model.parameters() for engine in engines), strict=True):
        assert torch.allclose(one, other, atol=2e-4)


class Deaf:
    """Two engines, of which the second may say it took the weights, and go on with those it had."""

    def __init__(self, start: str, *, takes: bool) -> None:
        self._start, self._takes = start, takes
        self._engines = [PlainEngine(start), PlainEngine(start)]

    def publish(self, weights: NewWeights) -> None:
        taken = PlainEngine(self._start)
        taken.model.model.load_state_dict(weights.tensors or {}, strict=False)
        self._engines = [taken, taken if self._takes else self._engines[1]]

    def score(self, token_ids: list[int]) -> list[list[float]]:
        marked = np.arange(len(token_ids)) > 0
        probe = Sequence(np.array(token_ids, np.int32), marked)
        return [_logprobs(engine, probe).tolist() for engine in self._engines]

    def sketches(self) -> list[list[Sketches]]:
        return [[engine.sketches()] for engine in self._engines]


def test_an_engine_that_did_not_take_the_weights_is_found_out(
    training_files: Path, engine: PlainEngine, tmp_path: Path
):
    PolicyUpdate(engine, _settings(), lambda number: 1e-2).run(0, _experiences(engine))
    before = str(training_files / "model")
    listening = EngineWeights(engine, Deaf(before, takes=True), list(range(20, 40)), 1e-3, tmp_path, PlacementRuntime())
    assert listening.publish(1) < 1e-5
    assert listening.version == 1
    deaf = EngineWeights(engine, Deaf(before, takes=False), list(range(20, 40)), 1e-3, tmp_path, PlacementRuntime())
    with pytest.raises(RunFailed, match=r"differ by \d.* \(0.001 is allowed\): the layer that differs most is model\."):
        deaf.publish(1)


def test_weights_that_give_no_numbers_are_the_training_s_fault_and_reach_no_engine(
    training_files: Path, engine: PlainEngine, tmp_path: Path
):
    engine.model.model.get_input_embeddings().weight.data[25] = float("nan")
    engines = Deaf(str(training_files / "model"), takes=True)
    weights = EngineWeights(engine, engines, list(range(20, 40)), 1e-3, tmp_path, PlacementRuntime())
    with pytest.raises(RunFailed, match=r"step 4: the log probability of the probe is not a number .* has diverged"):
        weights.publish(4)
    assert weights.version == 0
    assert np.isfinite(engines.score([20, 21, 22])).all()


def test_an_engine_that_breaks_down_in_the_middle_of_the_probe_is_found_out(
    training_files: Path, engine: PlainEngine, tmp_path: Path
):
    class Breaking(Deaf):
        def score(self, token_ids: list[int]) -> list[list[float]]:
            first, second = super().score(token_ids)
            return [first, [*second[:9], float("nan"), *second[10:]]]

    engines = Breaking(str(training_files / "model"), takes=True)
    weights = EngineWeights(engine, engines, list(range(20, 40)), 1e-3, tmp_path, PlacementRuntime())
    with pytest.raises(RunFailed, match="differ by nan in log probability"):
        weights.publish(1)


def test_the_rate_warms_up_stays_and_decays_to_its_floor():
    optimiser = OptimiserSettings(lr=1.0, warmup_steps=4, decay_share=0.5, floor=0.1)
    rates = [learning_rate(step, 20, optimiser) for step in range(20)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[9:12] == pytest.approx([1.0, 1.0, 0.91])
    assert rates[19] == pytest.approx(0.19)
    flat = OptimiserSettings(lr=1.0, warmup_steps=0, decay_share=0.0)
    assert {learning_rate(step, 20, flat) for step in range(20)} == {1.0}

"""vLLM in this process says what transformers says, under every set of weights, and its stops and bans are exact."""

import asyncio
import json
import math
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from schemas.errors import BadInput
from schemas.runtime import EngineRuntime
from tasks.engines import vllm_engine
from tasks.engines.interface import EngineFailed, Sample, Sampling, StopReason
from tasks.engines.vllm_engine import VllmEngine
from tasks.engines.vllm_setup import sample_of
from tasks.weights.new_weights import SharedPack
from tasks.weights.packs import Spec, fill, packs, room_of, specs_of
from tasks.weights.shared_buffers import Handle, shared_buffer
from tasks.weights.sketches import most_different, sketches_of

VOCABULARY = 160
PROMPT = [7, 30, 101, 4, 4, 55, 90, 12]


def _new_model(folder: Path, seed: int, key_value_heads: int) -> PreTrainedModel:
    """A random model whose logits are far apart, so that greedy decoding has no ties."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = Qwen2ForCausalLM(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, PreTrainedModel]]:
    folder = tmp_path_factory.mktemp("models")
    shared = {"a": 1, "b": 1, "c": 2, "d": 2}
    return {
        name: (str(folder / name), _new_model(folder / name, seed, shared[name]))
        for seed, name in enumerate(shared, start=1)
    }


@pytest.fixture(scope="module")
def shared_engine(models: dict[str, tuple[str, PreTrainedModel]]) -> Iterator[VllmEngine]:
    with VllmEngine(models["a"][0], EngineRuntime(in_flight=16, threads=1), max_tokens=256) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: VllmEngine, models: dict[str, tuple[str, PreTrainedModel]]) -> VllmEngine:
    shared_engine.load_weights(models["a"][0])
    return shared_engine


def _generate(engine: VllmEngine, *samplings: Sampling, prompt: list[int] = PROMPT) -> list[Sample]:
    async def all_at_once() -> list[Sample]:
        return await asyncio.gather(*(engine.generate(prompt, sampling) for sampling in samplings))

    return asyncio.run(all_at_once())


def _whole(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """As a folder has them: a tied head is left out."""
    return {name: weight for name, weight in model.state_dict().items() if name != "lm_head.weight"}


def _greedy(tokens: int = 24, stops: tuple[int, ...] = (), banned: tuple[int, ...] = ()) -> Sampling:
    return Sampling(temperature=0.0, max_tokens=tokens, stop_ids=stops, banned_ids=banned)


@torch.no_grad()
def _reference(model: PreTrainedModel, tokens: int) -> tuple[list[int], list[float]]:
    """Greedy decoding, the whole text read again for every token."""
    ids, logprobs = list(PROMPT), []
    for _ in range(tokens):
        logits_V = model(torch.tensor([ids])).logits[0, -1]
        ids.append(int(logits_V.argmax()))
        logprobs.append(float(logits_V.log_softmax(-1)[ids[-1]]))
    return ids[len(PROMPT) :], logprobs


@torch.no_grad()
def _reference_scores(model: PreTrainedModel, ids: list[int]) -> list[float]:
    logprobs_TV = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(logprobs_TV[at, token]) for at, token in enumerate(ids[1:])]


@pytest.mark.parametrize("reason", ["abort", "error", "repetition", None])
def test_a_request_that_was_given_up_is_no_sample(reason: str | None):
    completion = SimpleNamespace(finish_reason=reason, token_ids=[4, 5], logprobs=None, weight_versions=None)
    with pytest.raises(EngineFailed, match=f"did not finish a request: {reason}"):
        sample_of(SimpleNamespace(outputs=[completion]))


@pytest.mark.slow
def test_greedy_tokens_and_their_logprobs_are_those_of_transformers_before_and_after_new_weights(engine, models):
    for name in ("a", "b", "a"):
        folder, model = models[name]
        engine.load_weights(folder)
        (sample,) = _generate(engine, _greedy())
        ids, logprobs = _reference(model, 24)
        assert sample.token_ids == ids
        assert sample.logprobs == pytest.approx(logprobs, abs=1e-4)
        assert sample.stop_reason == StopReason.LENGTH


@pytest.mark.slow
def test_scores_are_those_of_the_weights_in_use_whatever_the_prefix_cache_holds(engine, models):
    text = [(7 * n) % VOCABULARY for n in range(200)]
    for name in ("a", "a", "b"):
        folder, model = models[name]
        engine.load_weights(folder)
        for _ in range(2):
            assert engine.score(text) == pytest.approx(_reference_scores(model, text), abs=1e-4)


@pytest.mark.slow
def test_what_its_layers_make_of_a_fixed_input_is_what_those_of_transformers_make(engine, models):
    mine = {name: sketches_of(model) for name, (_, model) in models.items()}
    for name, other in (("a", "b"), ("b", "a")):
        engine.load_weights(models[name][0])
        (theirs,) = engine.sketches()
        assert theirs.keys() == mine[name].keys()
        assert most_different(mine[name], [theirs])[1] < 1e-5
        assert most_different(mine[other], [theirs])[1] > 0.1


@pytest.mark.slow
def test_a_stop_token_ends_the_sample_and_is_its_last_token(engine, models):
    ids, _ = _reference(models["a"][1], 24)
    stop = ids[5]
    (sample,) = _generate(engine, _greedy(stops=(stop, 3)))
    assert sample.token_ids == ids[: ids.index(stop) + 1]
    assert len(sample.logprobs) == len(sample.token_ids)
    assert sample.stop_reason == StopReason.STOP


@pytest.mark.slow
def test_banned_tokens_have_probability_zero(engine):
    allowed = (3, 9)
    banned = tuple(token for token in range(VOCABULARY) if token not in allowed)
    sampled = Sampling(temperature=1.0, max_tokens=40, stop_ids=(), banned_ids=banned, seed=1)
    for sample in _generate(engine, _greedy(40, banned=banned), sampled):
        assert set(sample.token_ids) <= set(allowed)
        assert all(math.isfinite(logprob) and logprob <= 0 for logprob in sample.logprobs)


@pytest.mark.slow
def test_a_seed_fixes_the_sample_even_where_long_prompts_share_the_batch(engine):
    long = [n % VOCABULARY for n in range(240)]
    sampling = Sampling(temperature=1.0, max_tokens=12, stop_ids=(), seed=5)
    crowd = _generate(engine, *(Sampling(1.0, 12, (), (), seed) for seed in range(5, 21)), prompt=long)
    assert _generate(engine, sampling, prompt=long)[0].token_ids == crowd[0].token_ids
    assert len({tuple(sample.token_ids) for sample in crowd}) > 8


@pytest.mark.slow
def test_sampled_logprobs_are_those_under_temperature(engine, models):
    (sample,) = _generate(engine, Sampling(temperature=0.5, max_tokens=12, stop_ids=(), seed=3))
    with torch.no_grad():
        logits_TV = models["a"][1](torch.tensor([PROMPT + sample.token_ids])).logits[0, len(PROMPT) - 1 : -1]
    expected = (logits_TV / 0.5).log_softmax(-1).gather(-1, torch.tensor(sample.token_ids)[:, None])[:, 0]
    assert sample.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.slow
def test_new_weights_reach_requests_in_flight_and_each_token_tells_which_sampled_it(engine, models):
    engine.load_weights(models["a"][0], version=6)

    async def update_halfway() -> Sample:
        running = asyncio.create_task(engine.generate(PROMPT, _greedy(200)))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(engine.load_weights, models["b"][0])
        return await running

    sample = asyncio.run(update_halfway())
    assert len(sample.token_ids) == 200
    scores = {
        version: _reference_scores(models[name][1], PROMPT + sample.token_ids)[len(PROMPT) - 1 :]
        for version, name in ((6, "a"), (7, "b"))
    }
    assert sample.versions is not None
    assert set(sample.versions) == {6, 7}
    expected = [scores[version][at] for at, version in enumerate(sample.versions)]
    assert sample.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_it_sleeps_until_it_has_taken_new_weights_pack_by_pack_and_what_was_in_flight_goes_on(engine, models):
    engine.load_weights(models["a"][0], version=6)
    weights = _whole(models["b"][1])
    going = list(packs(specs_of(weights), pack_bytes=20_000))
    assert len(going) > 3

    def take(pack: list[Spec], place: torch.Tensor, handle: Handle) -> None:
        fill(place, {spec.name: weights[spec.name] for spec in pack})
        engine.take(SharedPack(pack, [handle], is_last=pack is going[-1]), version=7)

    async def sleep_halfway() -> Sample:
        running = asyncio.create_task(engine.generate(PROMPT, _greedy(200)))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(engine.sleep)
        early = asyncio.create_task(engine.generate(PROMPT, _greedy(3)))
        done, _ = await asyncio.wait([running, early], timeout=0.5)
        assert not done, "asleep it samples nothing"
        with shared_buffer(max(map(room_of, going)), torch.device("cpu")) as (place, handle):
            for pack in going:
                await asyncio.to_thread(take, pack, place, handle)
            place.fill_(0)  # the weights are its own by now
        assert (await early).token_ids == _reference(models["b"][1], 3)[0]
        return await running

    sample = asyncio.run(sleep_halfway())
    assert len(sample.token_ids) == 200
    assert sample.versions is not None
    assert set(sample.versions) == {6, 7}
    assert sample.versions[-1] == engine.version == 7
    text = [(7 * n) % VOCABULARY for n in range(200)]
    assert engine.score(text) == pytest.approx(_reference_scores(models["b"][1], text), abs=1e-4)


@pytest.mark.slow
def test_weights_of_a_folder_wake_it_too(engine, models):
    engine.sleep()
    engine.sleep()
    engine.load_weights(models["b"][0])
    assert _generate(engine, _greedy(5))[0].token_ids == _reference(models["b"][1], 5)[0]


@pytest.mark.slow
def test_a_cancelled_request_leaves_the_engine(engine):
    async def cancel() -> Sample:
        running = asyncio.create_task(engine.generate(PROMPT, _greedy(240)))
        await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return await engine.generate(PROMPT, _greedy(2))

    assert len(asyncio.run(cancel()).token_ids) == 2
    assert not engine._llm.has_unfinished_requests()


@pytest.mark.slow
def test_a_request_that_is_too_long_fails_alone(engine):
    with pytest.raises(EngineFailed, match="1 to 255 tokens"):
        _generate(engine, _greedy(), prompt=[1] * 400)
    assert len(_generate(engine, _greedy(2))[0].token_ids) == 2


@pytest.mark.slow
def test_a_failing_step_ends_every_request_and_all_later_ones(models):
    engine = VllmEngine(models["a"][0], EngineRuntime(in_flight=4, threads=1), max_tokens=256)

    def break_down() -> None:
        raise RuntimeError("out of memory")

    async def outcomes() -> list[Sample | BaseException]:
        running = [asyncio.create_task(engine.generate(PROMPT, _greedy(200))) for _ in range(3)]
        await asyncio.sleep(0.05)
        engine._llm.step = break_down
        return await asyncio.gather(*running, return_exceptions=True)

    assert all(isinstance(outcome, EngineFailed) for outcome in asyncio.run(outcomes()))
    with pytest.raises(EngineFailed, match="out of memory"):
        _generate(engine, _greedy(2))
    engine.close()


class LateInbox:
    """An engine's inbox, into which a message comes only when the engine has failed and emptied it."""

    def __init__(self, inbox: queue.SimpleQueue, fail: Callable[[], None]) -> None:
        self._inbox, self._fail = inbox, fail

    def put(self, message: object) -> None:
        self._fail()
        self._inbox.put(message)

    def get(self, block: bool) -> object:
        return self._inbox.get(block)

    def get_nowait(self) -> object:
        return self._inbox.get_nowait()


def test_who_asks_while_the_engine_fails_is_refused_too(models, monkeypatch: pytest.MonkeyPatch):
    emptied, ends = threading.Event(), threading.Event()

    def shutdown() -> None:
        emptied.set()
        ends.wait(60)

    llm = SimpleNamespace(set_weight_version=lambda version: None, engine_core=SimpleNamespace(shutdown=shutdown))
    monkeypatch.setattr(vllm_engine, "start", lambda *arguments: llm)
    engine = VllmEngine(models["a"][0], EngineRuntime(), max_tokens=64)
    inbox = engine._inbox

    def fail() -> None:
        if not emptied.is_set():
            inbox.put(vllm_engine._Command(lambda: 1 / 0, Future()))
            assert emptied.wait(60)

    engine._inbox = LateInbox(inbox, fail)
    with pytest.raises(EngineFailed, match="ZeroDivisionError"):
        asyncio.run(asyncio.wait_for(engine.generate(PROMPT, _greedy()), timeout=10))
    ends.set()
    engine.close()


def test_a_folder_without_a_model_or_with_a_shorter_one_is_refused(tmp_path, models):
    with pytest.raises(BadInput, match="no model there"):
        VllmEngine(str(tmp_path), EngineRuntime(), max_tokens=64)
    with pytest.raises(BadInput, match="reads 256 tokens"):
        VllmEngine(models["a"][0], EngineRuntime(), max_tokens=4096)


@pytest.mark.slow
def test_an_engine_of_two_processes_takes_its_weights_from_a_buffer_beside_each(models):
    text = [(7 * n) % VOCABULARY for n in range(200)]
    program = [sys.executable, "-m", "tests.support.two_process_engine", models["c"][0], models["d"][0]]
    run = subprocess.run([*program, *map(str, text)], capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    before, after = json.loads(run.stdout.splitlines()[-1])
    assert before == pytest.approx(_reference_scores(models["c"][1], text), abs=1e-4)
    assert after == pytest.approx(_reference_scores(models["d"][1], text), abs=1e-4)

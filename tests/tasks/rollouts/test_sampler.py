"""Samplers that draw from another distribution than their model's are found out; honest ones are believed."""

import asyncio
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.errors import BadInput, RunFailed
from schemas.runtime import EngineRuntime
from schemas.settings import ModelSettings
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.capacity.processes import free_port
from tasks.engines.interface import EngineFailed, Sample, Sampling, StopReason
from tasks.engines.remote_engine import RemoteEngine
from tasks.engines.vllm_engine import VllmEngine
from tasks.rollouts.remote_vocabulary import refuse_other_vocabulary
from tasks.rollouts.sampler import bias_of, refuse_biased_engine, refuse_biased_servers
from tests.support.http_server import serving

Shape = Callable[[list[float]], list[float]]

OWN = [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]
"""What the model thinks of its tokens, whatever stands before."""


@pytest.fixture(scope="module")
def tokenizer() -> AgentTokenizer:
    return train_tokenizer(["who wrote it, Kalo or Tovi, and when was it found?"] * 9, 330)


def _scaled(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


def _top(count: int) -> Shape:
    return lambda own: _scaled([*own[:count], *[0.0] * (len(own) - count)])


def _at(temperature: float) -> Shape:
    return lambda own: _scaled([chance ** (1 / temperature) for chance in own])


SHAPES: dict[str, tuple[Shape, bool]] = {
    "honest": (_at(1.0), False),
    "rounded": (lambda own: _scaled([chance * (1.01 if at % 2 else 0.99) for at, chance in enumerate(own)]), False),
    "top_k 1": (_top(1), True),
    "top_k 3": (_top(3), True),
    "top_p .9": (_top(4), True),
    "temperature .5": (_at(0.5), True),
    "temperature 2": (_at(2.0), True),
    "penalties": (lambda own: _scaled([own[0] / 4, *own[1:]]), True),
}


class Drawing:
    """An engine that draws by ``shape``; it reports what it draws by, or, if ``raw``, what its model thinks."""

    def __init__(self, shape: Shape, raw: bool = False, scores: bool = True) -> None:
        self._by, self._raw, self._scores = shape(OWN), raw, scores

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (1.0, 1.0, 1)
        (token,) = random.Random(f"{token_ids} {sampling.seed}").choices(range(len(OWN)), self._by)
        return Sample([token], [math.log((OWN if self._raw else self._by)[token])], StopReason.LENGTH)

    def score(self, token_ids: Sequence[int]) -> list[float]:
        if not self._scores:
            raise EngineFailed("no scores")
        return [math.log(OWN[token]) if token < len(OWN) else -1.0 for token in token_ids[1:]]


def _bias(engine: Any, tokenizer: AgentTokenizer) -> str | None:
    return asyncio.run(bias_of(engine, tokenizer))


@pytest.mark.parametrize(("shape", "is_biased"), SHAPES.values(), ids=SHAPES)
def test_a_sampler_with_a_distribution_of_its_own_is_found_out(shape: Shape, is_biased: bool, tokenizer):
    assert (_bias(Drawing(shape), tokenizer) is not None) == is_biased


def test_a_greedy_sampler_is_found_out_whatever_it_reports(tokenizer):
    assert "the same token with each of 8 seeds" in (_bias(Drawing(_top(1), raw=True), tokenizer) or "")
    assert "the probability 1" in (_bias(Drawing(_top(1), scores=False), tokenizer) or "")
    assert _bias(Drawing(_at(1.0), raw=True), tokenizer) is None
    assert _bias(Drawing(_at(1.0), scores=False), tokenizer) is None


def test_an_engine_of_this_process_is_checked_as_well(tokenizer):
    asyncio.run(refuse_biased_engine(Drawing(_at(1.0)), tokenizer))  # type: ignore[arg-type]
    with pytest.raises(RunFailed, match="not sample from its model's own distribution"):
        asyncio.run(refuse_biased_engine(Drawing(_top(2)), tokenizer))  # type: ignore[arg-type]


class Served:
    """`Drawing` behind the interface of a server."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "student"}]}
        drawn = asyncio.run(self._drawing.generate(body["prompt"], Sampling(1.0, 1, (), seed=body.get("seed"))))
        choice: dict[str, Any] = {"token_ids": drawn.token_ids, "finish_reason": "length"}
        choice["logprobs"] = {"token_logprobs": drawn.logprobs}
        if body.get("prompt_logprobs") is not None:
            scores = zip(body["prompt"][1:], self._drawing.score(body["prompt"]), strict=True)
            choice["prompt_logprobs"] = [None, *({str(token): {"logprob": score}} for token, score in scores)]
        return 200, {"choices": [choice]}


def test_each_of_the_servers_is_checked(tokenizer):
    with serving(Served(Drawing(_at(1.0)))) as honest, serving(Served(Drawing(_top(1)))) as greedy:
        asyncio.run(refuse_biased_servers([honest], tokenizer))
        with pytest.raises(BadInput, match=f"urls {greedy}: at temperature 1 .*--generation-config vllm"):
            asyncio.run(refuse_biased_servers([honest, greedy], tokenizer))


def test_a_server_that_does_not_answer_the_check_is_believed(tokenizer):
    def silent(path: str, *_: Any) -> tuple[int, Any]:
        return (200, {"data": [{"id": "student"}]}) if path == "/v1/models" else (200, {"choices": []})

    with serving(silent) as url:
        asyncio.run(refuse_biased_servers([url], tokenizer))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: AgentTokenizer) -> str:
    """A model, undecided about everything, whose generation_config.json wants it greedy."""
    from trainers.model.weights import new_model

    folder = tmp_path_factory.mktemp("model")
    settings = ModelSettings(hidden=64, layers=1, heads=2, intermediate=32, max_position=64, init_std=0.3)
    new_model(settings, tokenizer.vocabulary, str(folder))
    (folder / "generation_config.json").write_text('{"do_sample": true, "top_k": 1, "repetition_penalty": 1.5}')
    return str(folder)


@pytest.mark.slow
def test_vllm_in_this_process_samples_from_its_model_whatever_the_folder_wants(folder: str, tokenizer):
    with VllmEngine(folder, EngineRuntime(in_flight=64, threads=1), max_tokens=32) as engine:
        assert _bias(engine, tokenizer) is None


@pytest.mark.slow
def test_vllm_s_server_samples_from_its_model_whatever_the_folder_wants(folder: str, tokenizer, tmp_path: Path, caplog):
    port = free_port()
    tokenizer.save(str(tmp_path / "tokenizer"))
    options = {
        "--model": folder,
        "--tokenizer": str(tmp_path / "tokenizer"),
        "--port": str(port),
        "--max-model-len": "64",
        "--dtype": "float32",
    }
    options |= {"--served-model-name": "student", "--logprobs-mode": "processed_logprobs", "--max-num-seqs": "64"}
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager"]
    command += [part for option in options.items() for part in option]
    names = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    names |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **names}, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server, tmp_path / "server.log")
        refuse_other_vocabulary([url], tokenizer)
        asyncio.run(refuse_biased_servers([url], tokenizer))
        assert "could not be checked" not in caplog.text
        texts = {tuple(sample.token_ids) for sample in asyncio.run(_six_seeds(url))}
        assert len(texts) == 6
    finally:
        server.terminate()
        server.wait(30)


async def _six_seeds(url: str) -> list[Sample]:
    async with RemoteEngine([url], 8, max_tokens=32) as engine:
        samplings = [Sampling(temperature=1.0, max_tokens=12, stop_ids=(), seed=seed) for seed in range(6)]
        return await asyncio.gather(*(engine.generate([5, 6, 7], sampling) for sampling in samplings))


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-3000:])

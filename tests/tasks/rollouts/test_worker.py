"""What one worker says when its engine cannot be used: at the start, and for good under way."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from retrieval_index.client import BatchingSearcher
from retrieval_index.hits import Hit, Query
from schemas.errors import BadInput, RunFailed
from schemas.records import Trajectory
from schemas.runtime import EngineRuntime, PlacementRuntime
from schemas.settings import AgentSettings
from tasks.agent.environment import TurnSampling
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.engines.interface import EngineFailed, Sample, Sampling
from tasks.requests.rollout_requests import Rollout
from tasks.rollouts.admission import refuse_other_shapes
from tasks.rollouts.pool import start_pool
from tasks.rollouts.worker import EngineEnded, RolloutSetup, RolloutWorker
from tests.support.automaton import save_chain
from tests.support.examples import ramp_question

TEXT = "Arlen lives in Kalo near Tovi."


@pytest.fixture(scope="module")
def tokenizer() -> AgentTokenizer:
    return train_tokenizer([TEXT] * 9, 330)


def _setup(folder: Path, tokenizer: AgentTokenizer, engine: EngineRuntime) -> RolloutSetup:
    tokenizer.save(str(folder / "tokenizer"))
    return RolloutSetup(str(folder), str(folder / "tokenizer"), str(folder / "index"), AgentSettings(), engine)


class NothingFound:
    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        return [[] for _ in queries]


class BrokenEngine:
    """Answers nothing; ``failure`` says whether it ever will."""

    def __init__(self, failure: EngineFailed | None) -> None:
        self.failure = failure

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        raise EngineFailed("out of memory")

    def load_weights(self, folder: str) -> None:
        raise EngineFailed("out of memory")

    def score(self, token_ids: Sequence[int]) -> list[float]:
        raise EngineFailed("out of memory")


async def _roll(setup: RolloutSetup, tokenizer: AgentTokenizer, engine: BrokenEngine) -> Trajectory:
    searcher = BatchingSearcher(NothingFound())
    worker = RolloutWorker(setup, tokenizer, engine, searcher, AsyncExitStack())
    asked = Rollout(ramp_question(TEXT, ["Kalo"]), 0)
    return await worker.roll(asked, TurnSampling(1.0), label="test", model="test")


def test_a_request_that_fails_is_a_failed_trajectory_and_an_engine_that_ended_is_an_error(tmp_path, tokenizer):
    setup = _setup(tmp_path, tokenizer, EngineRuntime())
    assert asyncio.run(_roll(setup, tokenizer, BrokenEngine(None))).end_reason == "engine_failed"
    with pytest.raises(EngineEnded, match="out of memory"):
        asyncio.run(_roll(setup, tokenizer, BrokenEngine(EngineFailed("out of memory"))))
    assert issubclass(EngineEnded, RunFailed)


def test_a_model_that_lacks_ids_of_the_tokenizer_is_refused(tmp_path, tokenizer):
    save_chain(tmp_path, tokenizer.vocabulary - 1, {})
    with pytest.raises(BadInput, match="do not belong together"):
        asyncio.run(start_pool(_setup(tmp_path, tokenizer, EngineRuntime()), PlacementRuntime()))


def test_a_model_that_was_made_for_another_tokenizer_is_refused(tmp_path, tokenizer):
    save_chain(tmp_path, tokenizer.vocabulary, {})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "tokenizer_vocabulary": "another's"}))
    with pytest.raises(BadInput, match="was trained with another tokenizer"):
        asyncio.run(start_pool(_setup(tmp_path, tokenizer, EngineRuntime()), PlacementRuntime()))


@pytest.mark.parametrize(
    ("engine", "max_tokens", "said"),
    [
        (
            EngineRuntime(cpu_cache_gb=10**6),
            1000,
            r"process of an engine takes at least .* cache 1073742\), but the largest machine",
        ),
        (EngineRuntime(), 10**9, r"a text of agent.max_tokens \(1000000000\) takes 1024 GB .*cpu_cache_gb \(now 1\)"),
    ],
)
def test_an_engine_without_room_is_refused_before_it_starts(tmp_path, tokenizer, engine, max_tokens, said):
    save_chain(tmp_path, tokenizer.vocabulary, {})
    setup = _setup(tmp_path, tokenizer, engine)
    with pytest.raises(BadInput, match=said):
        asyncio.run(start_pool(replace(setup, agent=AgentSettings(max_tokens=max_tokens)), PlacementRuntime()))


def test_models_of_other_shapes_are_no_matter_for_one_engine(tmp_path):
    for name, layers in (("one", 1), ("same", 1), ("two", 2)):
        save_chain(tmp_path / name, 40, {}, layers)
    one, same, two = (str(tmp_path / name) for name in ("one", "same", "two"))
    refuse_other_shapes(one, [same])
    with pytest.raises(BadInput, match=r"two: its weights have other names or shapes than those of .*one"):
        refuse_other_shapes(one, [same, two])


def test_servers_by_address_are_no_matter_for_a_cluster(tmp_path, tokenizer):
    servers = EngineRuntime(kind="remote", urls=["http://127.0.0.1:9"])
    with pytest.raises(BadInput, match="layout must be together"):
        asyncio.run(start_pool(_setup(tmp_path, tokenizer, servers), PlacementRuntime(layout="distributed")))

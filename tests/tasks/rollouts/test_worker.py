"""What one worker says when its engine cannot be used: at the start, and for good under way."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from retrieval_index.client import BatchingSearcher
from retrieval_index.hits import Hit, Query
from schemas.errors import BadInput, RunFailed
from schemas.records import Trajectory
from schemas.runtime import EngineRuntime, PlacementRuntime
from schemas.settings import AgentSettings
from tasks.rollouts.engine import EngineFailed, Sample, Sampling
from tasks.rollouts.environment import TurnSampling
from tasks.rollouts.pools import start_pool
from tasks.rollouts.requests import Rollout
from tasks.rollouts.tokenizer import AgentTokenizer, train_tokenizer
from tasks.rollouts.worker import EngineEnded, RolloutSetup, RolloutWorker
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
    config = {"max_position_embeddings": 8192, "vocab_size": tokenizer.vocabulary - 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="not made for each other"):
        asyncio.run(start_pool(_setup(tmp_path, tokenizer, EngineRuntime()), PlacementRuntime()))


def test_servers_by_address_are_no_matter_for_a_cluster(tmp_path, tokenizer):
    servers = EngineRuntime(kind="remote", urls=["http://127.0.0.1:9"])
    with pytest.raises(BadInput, match="layout must be together"):
        asyncio.run(start_pool(_setup(tmp_path, tokenizer, servers), PlacementRuntime(layout="split")))

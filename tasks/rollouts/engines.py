"""The engine that a config names, open for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.errors import BadInput, RunFailed
from schemas.runtime import EngineRuntime
from tasks.rollouts.engine import EngineFailed, ModelEngine
from tasks.rollouts.remote_engine import RemoteEngine
from tasks.rollouts.tokenizer import AgentTokenizer
from tasks.rollouts.vllm_engine import VllmEngine
from tasks.rollouts.vllm_setup import ModelFacts


@asynccontextmanager
async def open_engine(
    model_folder: str, runtime: EngineRuntime, max_tokens: int, tokenizer: AgentTokenizer
) -> AsyncIterator[ModelEngine]:
    """vLLM with this model in this process, or the servers at ``runtime.urls``, whatever model they serve.

    The event loop goes on while vLLM starts and ends.

    Raises:
        BadInput: there is no such model, it has no row for some id of the tokenizer, or a server is out of reach.
        RunFailed: vLLM does not start.
    """
    if runtime.kind == "remote":
        async with RemoteEngine(runtime.urls, runtime.in_flight) as remote:
            yield remote
        return
    rows = ModelFacts.read(model_folder).vocabulary
    if rows < tokenizer.vocabulary:
        raise BadInput(
            f"{model_folder}: the model knows {rows} token ids, the tokenizer writes {tokenizer.vocabulary}: "
            "they were not made for each other"
        )
    try:
        local = await asyncio.to_thread(VllmEngine, model_folder, runtime, max_tokens)
    except EngineFailed as error:
        raise RunFailed(f"vLLM did not start with {model_folder}: {error}") from error
    try:
        yield local
    finally:
        await asyncio.to_thread(local.close)

"""The engine that a config names, open for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.errors import RunFailed
from schemas.runtime import EngineRuntime
from tasks.engines.interface import EngineFailed, ModelEngine
from tasks.engines.remote_engine import RemoteEngine
from tasks.engines.vllm_engine import VllmEngine


@asynccontextmanager
async def open_engine(
    model_folder: str, runtime: EngineRuntime, max_tokens: int, *, sleeps: bool = False
) -> AsyncIterator[ModelEngine]:
    """vLLM with this model in this process, or the servers at ``runtime.urls``, whatever model they serve.

    The event loop goes on while vLLM starts and ends.

    Raises:
        BadInput: there is no such model, it reads fewer tokens than ``max_tokens``, or a server is out of reach.
        RunFailed: vLLM does not start.
    """
    if runtime.kind == "remote":
        async with RemoteEngine(runtime.urls, runtime.in_flight, max_tokens) as remote:
            yield remote
        return
    try:
        local = await asyncio.to_thread(VllmEngine, model_folder, runtime, max_tokens, sleeps=sleeps)
    except EngineFailed as error:
        raise RunFailed(f"vLLM did not start with {model_folder}: {error}") from error
    try:
        yield local
    finally:
        await asyncio.to_thread(local.close)

"""The engines, one for each kind of `runtime.engine`, and how one is held open for a while."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from schemas.errors import RunFailed
from schemas.runtime import EngineRuntime
from tasks.engines.interface import EngineFailed, ModelEngine
from tasks.engines.remote_engine import RemoteEngine
from tasks.engines.vllm_engine import VllmEngine


@asynccontextmanager
async def _vllm(model_folder: str, runtime: EngineRuntime, max_tokens: int, sleeps: bool) -> AsyncIterator[ModelEngine]:
    try:
        engine = await asyncio.to_thread(VllmEngine, model_folder, runtime, max_tokens, sleeps=sleeps)
    except EngineFailed as error:
        raise RunFailed(f"vLLM did not start with {model_folder}: {error}") from error
    try:
        yield engine
    finally:
        await asyncio.to_thread(engine.close)


@asynccontextmanager
async def _remote(
    model_folder: str, runtime: EngineRuntime, max_tokens: int, sleeps: bool
) -> AsyncIterator[ModelEngine]:
    async with RemoteEngine(runtime.urls, runtime.in_flight, max_tokens) as engine:
        yield engine


_Opening = Callable[[str, EngineRuntime, int, bool], AbstractAsyncContextManager[ModelEngine]]
_ENGINES: dict[str, _Opening] = {"vllm": _vllm, "remote": _remote}


def open_engine(
    model_folder: str, runtime: EngineRuntime, max_tokens: int, *, sleeps: bool = False
) -> AbstractAsyncContextManager[ModelEngine]:
    """vLLM with this model in this process, or the servers at ``runtime.urls``, whatever model they serve.

    The event loop goes on while vLLM starts and ends.

    Raises:
        BadInput: there is no such model, it reads fewer tokens than ``max_tokens``, or a server is out of reach.
        RunFailed: vLLM does not start.
    """
    return _ENGINES[runtime.kind](model_folder, runtime, max_tokens, sleeps)

"""The engine that a config names, open for a while."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.errors import BadInput, RunFailed
from schemas.runtime import EngineRuntime
from tasks.rollouts.engine import Engine, EngineFailed
from tasks.rollouts.remote_engine import RemoteEngine
from tasks.rollouts.vllm_engine import VllmEngine


@asynccontextmanager
async def open_engine(model_folder: str, runtime: EngineRuntime, max_tokens: int) -> AsyncIterator[Engine]:
    """vLLM with this model in this process, or the server at ``runtime.url``, whatever model that serves.

    Raises:
        BadInput: there is no such model, or nobody answers at the address.
        RunFailed: vLLM does not start.
    """
    if runtime.kind == "remote":
        if runtime.url is None:
            raise BadInput("runtime.engine: kind remote needs a url (the address of an OpenAI-compatible server)")
        async with RemoteEngine(runtime.url, runtime.in_flight) as remote:
            yield remote
    else:
        with local_engine(model_folder, runtime, max_tokens) as local:
            yield local


def local_engine(model_folder: str, runtime: EngineRuntime, max_tokens: int) -> VllmEngine:
    """vLLM in this process.

    Raises:
        BadInput: there is no such model.
        RunFailed: vLLM does not start.
    """
    try:
        return VllmEngine(model_folder, runtime, max_tokens)
    except EngineFailed as error:
        raise RunFailed(f"vLLM did not start with {model_folder}: {error}") from error

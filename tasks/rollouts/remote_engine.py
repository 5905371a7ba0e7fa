"""An engine behind an OpenAI-compatible completions endpoint that takes and gives token ids: vLLM's own server.

The server runs with ``--logprobs-mode processed_logprobs``: logprobs are then those of the distribution sampled from.
Its interface knows no ban: a banned token gets the largest penalty (-100), and a sample that holds one all the same is
refused.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.errors import BadInput
from tasks.rollouts.engine import EngineFailed, Sample, Sampling, StopReason

ATTEMPTS = 5
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 600.0


class _TryAgain(Exception):
    """The server is busy, restarting, or out of reach for a moment."""


class RemoteEngine:
    """See `tasks.rollouts.engine.Engine`. Used from one event loop."""

    def __init__(self, url: str, in_flight: int, first_wait: float = 0.5) -> None:
        """Reach the server and learn the name of its model.

        Raises:
            BadInput: nobody answers there, or what answers serves no model.
        """
        self._url = url.rstrip("/")
        self._model = _model_served(self._url)
        self._first_wait = first_wait
        self._client = httpx.AsyncClient(
            base_url=self._url,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=in_flight),
        )

    async def __aenter__(self) -> "RemoteEngine":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """See `tasks.rollouts.engine.Engine.generate`. Busy and broken servers are asked again, `ATTEMPTS` times."""
        body = {
            "model": self._model,
            "prompt": list(token_ids),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop_token_ids": list(sampling.stop_ids),
            "ignore_eos": True,
            "logit_bias": {str(token): -100.0 for token in sampling.banned_ids} or None,
            "logprobs": 0,
            "return_token_ids": True,
        }
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(ATTEMPTS),
                wait=wait_exponential_jitter(initial=self._first_wait, max=30, jitter=self._first_wait),
                retry=retry_if_exception_type(_TryAgain),
            ):
                with attempt:
                    reply = await self._post(body)
        except RetryError as error:
            reason = error.last_attempt.exception()
            raise EngineFailed(f"{self._url}: no answer in {ATTEMPTS} attempts: {reason}") from None
        return _sample_of(reply, sampling)

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await self._client.post("/v1/completions", json=body)
        except httpx.TransportError as error:
            raise _TryAgain(f"{type(error).__name__}: {error}") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise _TryAgain(f"status {response.status_code}")
        if response.status_code >= 400:
            raise EngineFailed(f"{self._url}: status {response.status_code}: {response.text[:200]}")
        return response.json()


def _model_served(url: str) -> str:
    try:
        response = httpx.get(f"{url}/v1/models", timeout=_CONNECT_SECONDS)
        response.raise_for_status()
        return response.json()["data"][0]["id"]
    except httpx.HTTPStatusError as error:
        raise BadInput(f"runtime.engine.url {url}: answers {error.response.status_code} to /v1/models") from None
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BadInput(f"runtime.engine.url {url}: cannot be reached ({error}); is the server up?") from None
    except (ValueError, LookupError, TypeError):
        raise BadInput(f"runtime.engine.url {url}: is no OpenAI-compatible server (no model at /v1/models)") from None


def _sample_of(reply: dict[str, Any], sampling: Sampling) -> Sample:
    try:
        choice = reply["choices"][0]
        ids = [int(token) for token in choice["token_ids"]]
        logprobs = [float(value) for value in choice["logprobs"]["token_logprobs"]]
    except (LookupError, TypeError, ValueError):
        raise EngineFailed("the server gives no token ids and logprobs (return_token_ids): is it vLLM's?") from None
    if len(ids) != len(logprobs) or not set(ids).isdisjoint(sampling.banned_ids):
        raise EngineFailed("the server gave other tokens than were asked for")
    stopped = bool(ids) and ids[-1] in sampling.stop_ids
    return Sample(ids, logprobs, StopReason.STOP if stopped else StopReason.LENGTH)

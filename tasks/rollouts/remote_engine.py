"""An engine behind OpenAI-compatible completions endpoints that take and give token ids: vLLM's own servers.

Requests go to the server that has the fewest of ours. One that does not answer is left out for `REST_SECONDS` and its
request goes to another.

The servers run with ``--logprobs-mode processed_logprobs``: logprobs are then those of the distribution sampled from.
Their interface knows no ban: a banned token gets the largest penalty (-100), and a sample that holds one all the same
is refused.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.errors import BadInput
from tasks.rollouts.engine import EngineFailed, Sample, Sampling, StopReason

if TYPE_CHECKING:
    from tasks.rollouts.broadcast import Meeting
    from tasks.rollouts.new_weights import SharedPack
    from tasks.rollouts.packs import Spec
    from tasks.rollouts.sketches import Sketches

ATTEMPTS = 5
"""How often a request is sent, to whatever servers."""
REST_SECONDS = 30.0
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 600.0


_KEEP_WEIGHTS = "servers keep the weights they were started with: runtime.engine.kind must be vllm"


class _TryAgain(Exception):
    """The server is busy, restarting, or out of reach for a moment."""


class RemoteEngine:
    """See `tasks.rollouts.engine.ModelEngine`. Used from one event loop."""

    failure: EngineFailed | None = None
    """None: servers come back."""

    def __init__(self, urls: Sequence[str], in_flight: int, max_tokens: int, first_wait: float = 0.5) -> None:
        """Reach every server and learn the name of the model. ``in_flight`` bounds the connections to each.

        ``max_tokens`` is how many prompt and continuation may have together.

        Raises:
            BadInput: nobody answers at an address, what answers serves no model or a shorter one, or they serve
                different ones.
        """
        models = {url: model_served(url.rstrip("/")) for url in urls}
        if len({model.name for model in models.values()}) > 1:
            told = ", ".join(f"{url}: {model.name}" for url, model in models.items())
            raise BadInput(f"runtime.engine.urls: the servers must serve one model under one name, not {told}")
        for url, model in models.items():
            if model.longest is not None and model.longest < max_tokens:
                raise BadInput(
                    f"runtime.engine.urls {url}: the server reads {model.longest} tokens, not agent.max_tokens "
                    f"{max_tokens}: start it with --max-model-len {max_tokens}, or lower agent.max_tokens"
                )
        self._model = models[urls[0]].name
        self._servers = [_Server(url.rstrip("/"), in_flight) for url in urls]
        self._first_wait = first_wait
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "RemoteEngine":
        for server in self._servers:
            await self._closing.enter_async_context(server.client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """See `tasks.rollouts.engine.Engine.generate`. Busy and broken servers are made up for, `ATTEMPTS` times."""
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
                    reply = await self._next_server().ask(body)
        except RetryError as error:
            reason = error.last_attempt.exception()
            raise EngineFailed(f"no answer in {ATTEMPTS} attempts: {reason}") from None
        return _sample_of(reply, sampling)

    busy_seconds = asleep_seconds = 0.0
    """Servers do not tell."""

    def load_weights(self, folder: str, version: int) -> None:
        raise BadInput(_KEEP_WEIGHTS)

    def meet(self, meeting: "Meeting", first: int) -> None:
        raise BadInput(_KEEP_WEIGHTS)

    def receive_weights(self, specs: "list[Spec]", version: int) -> None:
        raise BadInput(_KEEP_WEIGHTS)

    def take(self, pack: "SharedPack", version: int) -> None:
        raise BadInput(_KEEP_WEIGHTS)

    def sleep(self) -> None:
        raise BadInput(_KEEP_WEIGHTS)

    def score(self, token_ids: Sequence[int]) -> list[float]:
        raise BadInput("servers are not asked to score texts: runtime.engine.kind must be vllm")

    def sketches(self) -> "list[Sketches]":
        raise BadInput("servers do not show their weights: runtime.engine.kind must be vllm")

    def _next_server(self) -> "_Server":
        """The one with the fewest requests among those that answer; among all where none does."""
        now = time.monotonic()
        answering = [server for server in self._servers if server.rests_until <= now]
        return min(answering or self._servers, key=lambda server: server.open)


class _Server:
    """One address, how many requests it has of us, and until when it is left out."""

    def __init__(self, url: str, in_flight: int) -> None:
        self._url = url
        self.client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=in_flight),
        )
        self.open = 0
        self.rests_until = 0.0

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's reply.

        Raises:
            _TryAgain: there is none now.
            EngineFailed: the server refuses the request.
        """
        self.open += 1
        try:
            response = await self.client.post("/v1/completions", json=body)
        except httpx.TransportError as error:
            raise self._without_answer(f"{type(error).__name__}: {error}") from error
        finally:
            self.open -= 1
        if response.status_code == 429 or response.status_code >= 500:
            raise self._without_answer(f"status {response.status_code}")
        if response.status_code >= 400:
            raise EngineFailed(f"{self._url}: status {response.status_code}: {response.text[:200]}")
        return response.json()

    def _without_answer(self, reason: str) -> _TryAgain:
        self.rests_until = time.monotonic() + REST_SECONDS
        return _TryAgain(f"{self._url}: {reason}")


class Served(NamedTuple):
    """A model behind an address; ``longest`` is how many tokens it reads and writes together, where that is told."""

    name: str
    longest: int | None


def model_served(url: str) -> Served:
    """The model behind an address; raises BadInput where there is none."""
    try:
        response = httpx.get(f"{url}/v1/models", timeout=_CONNECT_SECONDS)
        response.raise_for_status()
        model = response.json()["data"][0]
        return Served(model["id"], model.get("max_model_len"))
    except httpx.HTTPStatusError as error:
        raise BadInput(f"runtime.engine.urls {url}: answers {error.response.status_code} to /v1/models") from None
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise BadInput(f"runtime.engine.urls {url}: cannot be reached ({error}); is the server up?") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadInput(f"runtime.engine.urls {url}: is no OpenAI-compatible server (no model at /v1/models)") from None


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

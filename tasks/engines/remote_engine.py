"""An engine behind OpenAI-compatible completions endpoints that accept and return token ids: vLLM's own servers.

A request goes to the server with the fewest open requests of this client. A server that does not answer gets no
requests for `REST_SECONDS`, and its request goes to another server.

The servers must run with ``--logprobs-mode processed_logprobs``: log probabilities are then those of the sampled
distribution. Requests set all parameters that change the distribution, so that a server's defaults (its model's
generation_config.json) do not apply; tasks/rollouts/sampler.py checks the result. The interface cannot ban tokens: a
banned token gets the largest penalty (-100), and a sample that contains one anyway is refused.

A reply counts if it is complete: JSON of the interface's shape, with an id and a number for every token, up to a stop
token or the requested number of tokens. After any other reply (the page of a proxy, an aborted request) the request is
sent again.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from schemas.errors import BadInput
from tasks.engines.interface import EngineFailed, Sample, Sampling, StopReason

if TYPE_CHECKING:
    from tasks.weights.broadcast import Meeting
    from tasks.weights.new_weights import SharedPack
    from tasks.weights.packs import Spec
    from tasks.weights.sketches import Sketches

Result = TypeVar("Result")

ATTEMPTS = 5
"""How often a request is sent, to the same or to different servers."""
REST_SECONDS = 30.0
"""How long a server that did not answer gets no requests."""
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 600.0
_BUSY = (408, 409, 425, 429)
"""Client errors (4xx) that may be gone when the request is sent again."""
_FINISHED = ("stop", "length")


_PLAIN: dict[str, Any] = {
    "n": 1,
    "echo": False,
    "stream": False,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "stop": [],
    "min_tokens": 0,
    "ignore_eos": True,
    "add_special_tokens": False,
    "skip_special_tokens": False,
}
"""Parameters that a server would otherwise take from its own defaults. With these values it samples from the model's
own distribution."""

_KEEP_WEIGHTS = "remote servers keep the weights they were started with: set runtime.engine.kind to vllm"


class _TryAgain(Exception):
    """The server is busy, restarting, or temporarily unreachable."""


class RemoteEngine:
    """See `tasks.engines.interface.ModelEngine`. Used from one event loop."""

    failure: EngineFailed | None = None
    """Always None: servers may come back."""

    def __init__(
        self,
        urls: Sequence[str],
        in_flight: int,
        max_tokens: int,
        first_wait: float = 0.5,
        attempts: int = ATTEMPTS,
    ) -> None:
        """Connect to every server and query its model. ``in_flight`` is the maximum number of connections to each.

        ``max_tokens`` bounds prompt and continuation together. A request is sent at most ``attempts`` times.

        Raises:
            BadInput: no server answers at an address, a server has no model or one with a shorter context, or the
                servers have different models.
        """
        models = {url: model_served(url.rstrip("/")) for url in urls}
        if len({model.name for model in models.values()}) > 1:
            served = ", ".join(f"{url}: {model.name}" for url, model in models.items())
            raise BadInput(f"runtime.engine.urls: the servers must serve one model under one name, not {served}")
        for url, model in models.items():
            if model.longest is not None and model.longest < max_tokens:
                raise BadInput(
                    f"runtime.engine.urls {url}: the server reads {model.longest} tokens, not agent.max_tokens "
                    f"{max_tokens}: start it with --max-model-len {max_tokens}, or lower agent.max_tokens"
                )
        self._model = models[urls[0]].name
        self._servers = [_Server(url.rstrip("/"), in_flight) for url in urls]
        self._first_wait, self._attempts = first_wait, attempts
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "RemoteEngine":
        self._loop = asyncio.get_running_loop()
        for server in self._servers:
            await self._closing.enter_async_context(server.client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def generate(self, token_ids: Sequence[int], sampling: Sampling) -> Sample:
        """See `tasks.engines.interface.Engine.generate`. Requests to busy or broken servers are sent again."""
        body = {
            "prompt": list(token_ids),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop_token_ids": list(sampling.stop_ids),
            "logit_bias": {str(token): -100.0 for token in sampling.banned_ids} or None,
        }
        sample = await self._ask(body, lambda choice: _sample_of(choice, sampling))
        if not set(sample.token_ids).isdisjoint(sampling.banned_ids):
            raise EngineFailed("the server sampled a banned token, although its penalty was -100")
        return sample

    def score(self, token_ids: Sequence[int]) -> list[float]:
        """See `tasks.engines.interface.ModelEngine.score`.

        Call it from any thread except the event loop's, which does the request while the calling thread waits.
        """
        return asyncio.run_coroutine_threadsafe(self._score(list(token_ids)), self._loop).result()

    async def _score(self, token_ids: list[int]) -> list[float]:
        body = {"prompt": token_ids, "max_tokens": 1, "temperature": 0.0, "top_p": 1.0, "prompt_logprobs": 0}
        return await self._ask(body, lambda choice: _scores_of(choice, token_ids))

    async def _ask(self, body: dict[str, Any], read: Callable[[dict[str, Any]], Result]) -> Result:
        """The result of ``read`` for the single choice of a reply.

        Raises:
            EngineFailed: no server gave a complete reply, or a server refused the request.
        """
        request = {"model": self._model, **_PLAIN, "logprobs": 0, "return_token_ids": True, **body}
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(self._attempts),
                wait=wait_exponential_jitter(initial=self._first_wait, max=30, jitter=self._first_wait),
                retry=retry_if_exception_type(_TryAgain),
            ):
                with attempt:
                    result = await self._next_server().ask(request, read)
        except RetryError as error:
            reason = error.last_attempt.exception()
            raise EngineFailed(f"no answer in {self._attempts} attempts: {reason}") from None
        return result

    busy_seconds = asleep_seconds = 0.0
    """Servers do not report these."""

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

    def sketches(self) -> "list[Sketches]":
        raise BadInput("remote servers do not show their weights: set runtime.engine.kind to vllm")

    def _next_server(self) -> "_Server":
        """The server with the fewest open requests among those that answer; among all servers if no server answers."""
        now = time.monotonic()
        answering = [server for server in self._servers if server.rests_until <= now]
        return min(answering or self._servers, key=lambda server: server.open)


class _Server:
    """A server: its client, the number of open requests, and the time until which it gets no new ones."""

    def __init__(self, url: str, in_flight: int) -> None:
        self._url = url
        self.client = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=in_flight),
        )
        self.open = 0
        self.rests_until = 0.0

    async def ask(self, body: dict[str, Any], read: Callable[[dict[str, Any]], Result]) -> Result:
        """The result of ``read`` for the choice in the server's reply. ``read`` raises ValueError if it is incomplete.

        Raises:
            _TryAgain: the server gave no complete reply.
            EngineFailed: the server refused the request.
        """
        self.open += 1
        try:
            response = await self.client.post("/v1/completions", json=body)
        except httpx.RequestError as error:
            raise self._without_answer(f"{type(error).__name__}: {error}") from error
        finally:
            self.open -= 1
        if response.status_code in _BUSY or response.status_code >= 500:
            raise self._without_answer(f"status {response.status_code}")
        if response.status_code >= 400:
            raise EngineFailed(f"{self._url}: status {response.status_code}: {response.text[:200]}")
        try:
            return read(_choice_of(response))
        except ValueError as error:
            raise self._without_answer(str(error)) from error

    def _without_answer(self, reason: str) -> _TryAgain:
        self.rests_until = time.monotonic() + REST_SECONDS
        return _TryAgain(f"{self._url}: {reason}")


class Served(NamedTuple):
    """A model behind an address. ``longest`` bounds prompt and continuation together, in tokens; None if unknown."""

    name: str
    longest: int | None


def model_served(url: str) -> Served:
    """The model behind an address; raises BadInput where no server with a model answers."""
    try:
        response = httpx.get(f"{url}/v1/models", timeout=_CONNECT_SECONDS)
        response.raise_for_status()
        model = response.json()["data"][0]
        return Served(str(model["id"]), None if model.get("max_model_len") is None else int(model["max_model_len"]))
    except httpx.HTTPStatusError as error:
        raise BadInput(
            f"runtime.engine.urls {url}: answers {error.response.status_code} to /v1/models: give the base address of "
            "an OpenAI-compatible server"
        ) from None
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise BadInput(f"runtime.engine.urls {url}: cannot be reached ({error}); is the server up?") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BadInput(
            f"runtime.engine.urls {url}: no OpenAI-compatible server (no model at /v1/models): give the base address "
            "of one"
        ) from None


def _choice_of(response: httpx.Response) -> dict[str, Any]:
    """The single choice of a reply that is marked as finished; raises ValueError for any other reply."""
    choice: dict[str, Any]
    try:
        (choice,) = response.json()["choices"]
        reason = choice.get("finish_reason", "stop")
    except (ValueError, LookupError, TypeError, AttributeError):
        start = " ".join(response.text.split())[:100]
        raise ValueError(f"status {response.status_code}, but the reply is no completion: {start!r}") from None
    if reason not in _FINISHED:
        raise ValueError(f"the request did not finish: finish_reason {reason!r}")
    return choice


def _sample_of(choice: dict[str, Any], sampling: Sampling) -> Sample:
    """Raises ValueError where the sample is incomplete."""
    try:
        ids = [int(token) for token in choice["token_ids"]]
        logprobs = [float(value) for value in choice["logprobs"]["token_logprobs"]]
    except (LookupError, TypeError, ValueError):
        raise ValueError("the server returns no token ids and logprobs (return_token_ids): is it vLLM's?") from None
    if len(ids) != len(logprobs) or not all(math.isfinite(value) for value in logprobs):
        raise ValueError(
            f"the reply has {len(ids)} tokens, but {sum(map(math.isfinite, logprobs))} finite log probabilities"
        )
    if not sampling.max_tokens >= len(ids) > 0 or not set(ids[:-1]).isdisjoint(sampling.stop_ids):
        raise ValueError(
            f"the server ignored max_tokens ({sampling.max_tokens}) or stop_token_ids: it returned {len(ids)} tokens"
        )
    if ids[-1] in sampling.stop_ids:
        return Sample(ids, logprobs, StopReason.STOP)
    if len(ids) < sampling.max_tokens:
        raise ValueError(f"the reply was cut off: {len(ids)} of {sampling.max_tokens} tokens, and no stop token")
    return Sample(ids, logprobs, StopReason.LENGTH)


def _scores_of(choice: dict[str, Any], token_ids: list[int]) -> list[float]:
    """The log probabilities of a prompt's tokens except the first; raises ValueError if some are missing."""
    try:
        _, *entries = choice["prompt_logprobs"]
        scores = [float(entry[str(token)]["logprob"]) for entry, token in zip(entries, token_ids[1:], strict=True)]
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            "the server returns no log probabilities of a prompt (prompt_logprobs): is it vLLM's?"
        ) from None
    if not all(math.isfinite(value) for value in scores):
        raise ValueError("the server returns log probabilities of a prompt that are not finite")
    return scores

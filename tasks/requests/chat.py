"""Asking a chat model behind any OpenAI-compatible endpoint.

A reply counts if it is whole. One that is no chat completion, that is empty (a model may put all it has to say into its
reasoning, which is not read), or that the server cut off or gave up, is asked for again; in the end it is a failure.
"""

import os
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

import httpx
from pydantic import BaseModel
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tenacity.wait import wait_base

from schemas.errors import BadInput
from schemas.runtime import EndpointRuntime

ATTEMPTS = 6
MAX_WAIT_SECONDS = 60.0
_OF_ONE_REQUEST = (400, 413, 422)
"""What an endpoint answers to a prompt that its content filter or its model's context does not let through. Every
other refusal (a key, a path, a model) is of the endpoint as a whole."""

_CUT = ("length", "max_tokens", "model_length")
_GIVEN_UP = (None, "abort", "aborted", "cancelled", "error")
"""Why a reply ended, where it is not whole; endpoints have many words for one that is."""
_FORM_REFUSED = re.compile(r"response_format|json_schema|structured|guided|grammar|schema", re.IGNORECASE)
"""What an endpoint without structured outputs says of them."""


class ChatFailed(Exception):
    """The endpoint did not answer, after all attempts."""


class RequestRefused(Exception):
    """The endpoint does not take this one request, for what it says or how long it is: asking again would not help."""


class _TryAgain(Exception):
    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the endpoint asks us to wait."""


class Whose(NamedTuple):
    """The settings that errors name: of the endpoint, and of its model."""

    endpoint: str
    model: str


TEACHER = Whose("runtime.teacher_endpoint", "teacher.model")
SPANS = Whose("runtime.span_endpoint", "ramp.spans.model")


class ChatEndpoint:
    """One model of an endpoint. Used from one event loop."""

    def __init__(
        self,
        endpoint: EndpointRuntime,
        model: str | None,
        temperature: float,
        first_wait: float = 1.0,
        whose: Whose = TEACHER,
    ) -> None:
        """Reach the endpoint, and name its model (default: the first that it lists).

        Raises:
            BadInput: the key's variable is not set, nobody answers, the key is refused, or no model is known.
        """
        self._base = endpoint.url.rstrip("/").removesuffix("/v1")
        self._temperature, self._first_wait = temperature, first_wait
        self._whose = whose
        headers = _headers(endpoint, whose)
        listed = _models_listed(self._base, headers, whose)
        self.model = model or _first_of(listed, self._base, whose)
        limits = httpx.Limits(max_connections=endpoint.in_flight)
        self._client = httpx.AsyncClient(headers=headers, timeout=endpoint.timeout_seconds, limits=limits)
        self.refusal = ""
        """What it said when it last refused one request."""
        self._has_forms: bool | None = None
        """Whether it has structured outputs; None while no request with a form was answered or refused."""

    async def __aenter__(self) -> "ChatEndpoint":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def complete(self, system: str, user: str, seed: int, form: type[BaseModel] | None = None) -> str:
        """The model's reply to two messages; where the endpoint has structured outputs, in the ``form`` that is wanted.

        Raises:
            BadInput: the endpoint would refuse any request (a bad key, an unknown model).
            RequestRefused: it refuses this one.
            ChatFailed: it was busy, broken or out of reach `ATTEMPTS` times, or gave no whole reply.
        """
        body = {
            "model": self.model,
            "temperature": self._temperature,
            "seed": seed,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        }
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(ATTEMPTS),
                wait=_at_least_as_asked(
                    wait_exponential_jitter(initial=self._first_wait, max=MAX_WAIT_SECONDS, jitter=self._first_wait)
                ),
                retry=retry_if_exception_type(_TryAgain),
            ):
                with attempt:
                    reply = await self._asked(body, form)
        except RetryError as error:
            raise ChatFailed(f"{self._base}: {ATTEMPTS} attempts: {error.last_attempt.exception()}") from None
        return reply

    async def _asked(self, body: dict[str, Any], form: type[BaseModel] | None) -> str:
        """The reply, in the form if the endpoint has structured outputs: it is asked for them until it refuses them.

        A refusal that does not say what for, before any request with a form was answered, may be of the request or of
        the form: it counts as the former, and the endpoint is not asked for forms again.
        """
        if form is None or self._has_forms is False:
            return await self._post(body)
        schema = {"name": form.__name__.strip("_").lower(), "schema": form.model_json_schema()}
        try:
            reply = await self._post({**body, "response_format": {"type": "json_schema", "json_schema": schema}})
        except RequestRefused as refused:
            if self._has_forms:
                raise
            self._has_forms = False
            if not _FORM_REFUSED.search(str(refused)):
                raise
            return await self._post(body)
        self._has_forms = True
        return reply

    async def _post(self, body: dict[str, Any]) -> str:
        try:
            response = await self._client.post(f"{self._base}/v1/chat/completions", json=body)
        except httpx.RequestError as error:
            raise _TryAgain(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status in (408, 409, 425, 429) or status >= 500:
            raise _TryAgain(f"status {status}", _seconds(response.headers.get("retry-after")))
        if status >= 400:
            raise self._refused(response)
        try:
            choice = response.json()["choices"][0]
            reason, text = choice.get("finish_reason", "stop"), _text_of(choice["message"]["content"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _TryAgain(f"a reply that is no chat completion: {response.text[:100]}") from error
        if reason == "content_filter":
            self.refusal = f"{self._whose.endpoint} {self._base}: its content filter stopped the reply"
            raise RequestRefused(self.refusal)
        if reason in _CUT:
            raise _TryAgain(f"a reply that was cut (finish_reason {reason}): may the model write so few tokens?")
        if reason in _GIVEN_UP:
            raise _TryAgain(f"a reply that was given up (finish_reason {reason})")
        if not text.strip():
            raise _TryAgain("an empty reply")
        return text

    def _refused(self, response: httpx.Response) -> BadInput | RequestRefused:
        told = _refused(self._base, response, self._whose)
        if response.status_code not in _OF_ONE_REQUEST:
            return BadInput(told)
        self.refusal = told
        return RequestRefused(told)


def _text_of(content: object) -> str:
    """Of a message: a string, or parts of which those of text count; raises TypeError for what is neither."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if content is None:
        return ""
    raise TypeError(f"a message of {type(content).__name__}")


def _at_least_as_asked(backoff: wait_base) -> Callable[[RetryCallState], float]:
    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, _TryAgain) else 0.0
        return min(max(backoff(state), asked), MAX_WAIT_SECONDS)

    return wait


def _headers(endpoint: EndpointRuntime, whose: Whose) -> dict[str, str]:
    if endpoint.key_variable is None:
        return {}
    key = os.environ.get(endpoint.key_variable)
    if not key:
        raise BadInput(f"{whose.endpoint}: the environment variable {endpoint.key_variable} holds no key")
    return {"Authorization": f"Bearer {key}"}


def _models_listed(base: str, headers: dict[str, str], whose: Whose) -> httpx.Response:
    """The list of models, which some endpoints do not have: only that somebody answers and takes the key is sure."""
    try:
        response = httpx.get(f"{base}/v1/models", headers=headers, timeout=10)
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise BadInput(f"{whose.endpoint}.url {base}: cannot be reached ({error}); is it up?") from None
    if response.status_code in (401, 403):
        raise BadInput(_refused(base, response, whose))
    return response


def _first_of(listed: httpx.Response, base: str, whose: Whose) -> str:
    try:
        return str(listed.json()["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        raise BadInput(f"{whose.endpoint}.url {base}: lists no model; name one in {whose.model}") from None


def _refused(base: str, response: httpx.Response, whose: Whose) -> str:
    what = " ".join(response.text.split())[:200]
    cure = "; is the key right?" if response.status_code in (401, 403) else ""
    return f"{whose.endpoint} {base}: refuses with status {response.status_code}: {what}{cure}"


def _seconds(header: str | None) -> float:
    try:
        return float(header or 0)
    except ValueError:
        return 0.0

"""Requests to a chat model behind any OpenAI-compatible endpoint.

A reply counts if it is complete. The request is sent again if the reply is no chat completion, is empty (a model may
put everything into its reasoning, which is not read), or was cut off or aborted by the server. After `ATTEMPTS` it has
failed.
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
"""Statuses for a prompt that the content filter or the model's context length does not allow. All other refusals (a
key, a path, a model) concern every request."""

_CUT = ("length", "max_tokens", "model_length")
_GIVEN_UP = (None, "abort", "aborted", "cancelled", "error")
"""Finish reasons of incomplete replies. Any other reason counts as complete, since endpoints have many words for it."""
_FORM_REFUSED = re.compile(r"response_format|json_schema|structured|guided|grammar|schema", re.IGNORECASE)
"""Words in the errors of endpoints without structured outputs, when a request asks for them."""


class ChatFailed(Exception):
    """The endpoint did not answer, after all attempts."""


class RequestRefused(Exception):
    """The endpoint refuses this request because of its content or length. Sending it again would not help."""


class _TryAgain(Exception):
    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds to wait, as the endpoint requested."""


class Whose(NamedTuple):
    """The names of the settings of an endpoint and its model, for error messages."""

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
        """Connect to the endpoint, and choose its model (default: the first model that it lists).

        Raises:
            BadInput: the key's variable is not set, the endpoint does not answer or refuses the key, or no model is
                known.
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
        """The endpoint's last refusal of a single request; empty if it refused none."""
        self._has_forms: bool | None = None
        """Whether it has structured outputs; None until a request with a form is answered or refused."""

    async def __aenter__(self) -> "ChatEndpoint":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def complete(self, system: str, user: str, seed: int, form: type[BaseModel] | None = None) -> str:
        """The model's reply to two messages, in the given ``form`` if the endpoint has structured outputs.

        Raises:
            BadInput: the endpoint would refuse any request (a bad key, an unknown model).
            RequestRefused: the endpoint refuses this request.
            ChatFailed: it was busy, broken or unreachable, or gave incomplete replies, `ATTEMPTS` times.
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
            raise ChatFailed(
                f"{self._base}: no complete reply in {ATTEMPTS} attempts: {error.last_attempt.exception()}"
            ) from None
        return reply

    async def _asked(self, body: dict[str, Any], form: type[BaseModel] | None) -> str:
        """The reply, in the form if the endpoint has structured outputs. They are requested until it refuses them.

        A refusal without a reason, before any request with a form was answered, may concern the request or the form. It
        then counts as a refusal of the request, and forms are not requested again.
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
            raise _TryAgain(f"the reply is no chat completion: {response.text[:100]}") from error
        if reason == "content_filter":
            self.refusal = f"{self._whose.endpoint} {self._base}: its content filter stopped the reply"
            raise RequestRefused(self.refusal)
        if reason in _CUT:
            raise _TryAgain(
                f"the reply was cut off (finish_reason {reason}): raise the endpoint's limit of tokens per reply"
            )
        if reason in _GIVEN_UP:
            raise _TryAgain(f"the endpoint aborted the reply (finish_reason {reason})")
        if not text.strip():
            raise _TryAgain("the reply is empty")
        return text

    def _refused(self, response: httpx.Response) -> BadInput | RequestRefused:
        message = _refused(self._base, response, self._whose)
        if response.status_code not in _OF_ONE_REQUEST:
            return BadInput(message)
        self.refusal = message
        return RequestRefused(message)


def _text_of(content: object) -> str:
    """The text of a message: its string, or its parts of type text joined. Raises TypeError for any other content."""
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
        raise BadInput(f"{whose.endpoint}: the environment variable {endpoint.key_variable} is not set: put the key in")
    return {"Authorization": f"Bearer {key}"}


def _models_listed(base: str, headers: dict[str, str], whose: Whose) -> httpx.Response:
    """The reply to a request for the list of models. Some endpoints have no list, so only connection and key are
    checked."""
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
        raise BadInput(f"{whose.endpoint}.url {base}: the endpoint lists no model; name one in {whose.model}") from None


def _refused(base: str, response: httpx.Response, whose: Whose) -> str:
    what = " ".join(response.text.split())[:200]
    cure = "; is the key right?" if response.status_code in (401, 403) else ""
    return f"{whose.endpoint} {base}: refuses with status {response.status_code}: {what}{cure}"


def _seconds(header: str | None) -> float:
    try:
        return float(header or 0)
    except ValueError:
        return 0.0

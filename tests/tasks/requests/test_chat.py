"""Replies of a chat endpoint that are not whole are asked for again, and are a failure in the end."""

import asyncio
import json
from typing import Any

import pytest

from schemas.runtime import EndpointRuntime
from tasks.requests.chat import ATTEMPTS, ChatEndpoint, ChatFailed, RequestRefused
from tests.support.http_server import Torn, serving


def _message(content: Any, **changes: Any) -> tuple[int, Any]:
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return 200, {"choices": [choice | changes]}


class Endpoint:
    """Answers in turn with these replies, the last one again and again."""

    def __init__(self, *replies: tuple[int, Any]) -> None:
        self._replies, self.asked = list(replies), 0

    def __call__(self, path: str, *_: Any) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "clever"}]}
        self.asked += 1
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def _complete(endpoint: Endpoint) -> str:
    async def ask(url: str) -> str:
        async with ChatEndpoint(EndpointRuntime(url=url), None, 0.7, first_wait=0.01) as chat:
            return await chat.complete("system", "user", 1)

    with serving(endpoint) as url:
        return asyncio.run(ask(url))


BROKEN = {
    "the page of a proxy": (200, b"<html>Bad gateway, but with a smile</html>"),
    "nothing": (200, b""),
    "half of the JSON": (200, json.dumps(_message("whole")[1]).encode()[:-4]),
    "a connection that ends": (200, Torn(json.dumps(_message("whole")[1]).encode())),
    "JSON of something else": (200, ["queued"]),
    "no choice": (200, {"choices": []}),
    "choices of null": (200, {"choices": None}),
    "a choice that is none": (200, {"choices": ["text"]}),
    "no message": (200, {"choices": [{"finish_reason": "stop"}]}),
    "a message that is none": (200, {"choices": [{"message": "text"}]}),
    "content of another type": _message({"text": "whole"}),
    "content of null": _message(None),
    "content of white space": _message(" \n"),
    "reasoning alone": (200, {"choices": [{"message": {"content": None, "reasoning_content": "hm {"}}]}),
    "cut": _message('{"thought": "t"}', finish_reason="length"),
    "aborted": _message("who", finish_reason="abort"),
    "failed": _message("who", finish_reason="error"),
    "unfinished": _message("who", finish_reason=None),
    "an error with status 200": (200, {"error": {"message": "overloaded"}}),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
def test_a_reply_that_is_not_whole_is_asked_for_again_and_then_a_failure(reply: tuple[int, Any]):
    endpoint = Endpoint(reply, _message("whole"))
    assert _complete(endpoint) == "whole"
    assert endpoint.asked == 2
    endpoint = Endpoint(reply)
    with pytest.raises(ChatFailed, match=f"{ATTEMPTS} attempts"):
        _complete(endpoint)
    assert endpoint.asked == ATTEMPTS


@pytest.mark.parametrize(
    "reply",
    [
        _message("whole"),
        (200, {"choices": [{"message": {"content": "whole"}}]}),
        _message("whole", finish_reason="eos_token"),
        _message(
            [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "who"}, {"type": "text", "text": "le"}]
        ),
        (200, {"choices": [{"message": {"content": "whole", "reasoning_content": "hm {"}, "finish_reason": "stop"}]}),
    ],
)
def test_a_whole_reply_counts_whatever_its_endpoint_calls_the_end(reply: tuple[int, Any]):
    assert _complete(Endpoint(reply)) == "whole"


def test_what_a_content_filter_stops_is_refused():
    endpoint = Endpoint(_message("who", finish_reason="content_filter"))
    with pytest.raises(RequestRefused, match="content filter"):
        _complete(endpoint)
    assert endpoint.asked == 1

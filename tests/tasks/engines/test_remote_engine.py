"""A remote engine against a real HTTP server: what it asks for, what it believes, when it asks again."""

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.errors import BadInput
from tasks.engines.interface import EngineFailed, Sample, Sampling, StopReason
from tasks.engines.remote_engine import ATTEMPTS, RemoteEngine
from tests.support.http_server import Torn, serving

SAMPLING = Sampling(temperature=0.7, max_tokens=5, stop_ids=(9,), banned_ids=(3,), seed=11)


def _reply(token_ids: list[int]) -> tuple[int, Any]:
    choice = {"token_ids": token_ids, "logprobs": {"token_logprobs": [-0.5] * len(token_ids)}, "finish_reason": "stop"}
    return 200, {"choices": [choice]}


class Server:
    """Answers in turn with these replies, the last one again and again."""

    def __init__(self, *replies: tuple[int, Any]) -> None:
        self._replies = list(replies)
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "served"}]}
        self.bodies.append(body)
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def _generate(server: Server) -> Sample:
    async def once(url: str) -> Sample:
        async with RemoteEngine([url], in_flight=2, max_tokens=7, first_wait=0.01) as engine:
            return await engine.generate([1, 2], SAMPLING)

    with serving(server) as url:
        return asyncio.run(once(url))


def test_token_ids_go_in_and_come_out():
    server = Server(_reply([4, 5, 9]))
    assert _generate(server) == Sample([4, 5, 9], [-0.5] * 3, StopReason.STOP)
    (body,) = server.bodies
    assert (body["model"], body["prompt"], body["stop_token_ids"], body["seed"]) == ("served", [1, 2], [9], 11)
    assert body["logit_bias"] == {"3": -100.0}
    assert body["return_token_ids"] is True


def test_a_sample_without_a_stop_token_ran_out_of_tokens():
    assert _generate(Server(_reply([4, 5, 6, 7, 8]))).stop_reason == StopReason.LENGTH


def test_a_busy_server_is_asked_again_a_bounded_number_of_times():
    server = Server((503, {}), (429, {}), _reply([9]))
    assert _generate(server).token_ids == [9]
    server = Server((500, {}))
    with pytest.raises(EngineFailed, match=f"no answer in {ATTEMPTS} attempts: .*: status 500"):
        _generate(server)
    assert len(server.bodies) == ATTEMPTS


HTML = b"<html><body>Bad gateway, but with a smile</body></html>"


def _choice(**changes: Any) -> tuple[int, Any]:
    sound = {"token_ids": [4, 9], "logprobs": {"token_logprobs": [-0.5, -0.5]}, "finish_reason": "stop"}
    return 200, {"choices": [sound | changes]}


BROKEN = {
    "the page of a proxy": (200, HTML),
    "nothing": (200, b""),
    "half of the JSON": (200, json.dumps(_choice()[1]).encode()[:-9]),
    "a connection that ends": (200, Torn(json.dumps(_choice()[1]).encode())),
    "JSON of something else": (200, ["queued"]),
    "a number": (200, 7),
    "a redirect to a login": (302, HTML),
    "no choice": (200, {"choices": []}),
    "choices of null": (200, {"choices": None}),
    "a choice that is none": (200, {"choices": ["text"]}),
    "two choices": (200, {"choices": 2 * _choice()[1]["choices"]}),
    "aborted": _choice(finish_reason="abort"),
    "failed": _choice(finish_reason="error"),
    "filtered": _choice(finish_reason="content_filter"),
    "unfinished": _choice(finish_reason=None),
    "empty": _choice(token_ids=[], logprobs={"token_logprobs": []}),
    "cut": _choice(token_ids=[4, 5], finish_reason="length"),
    "longer than asked for": _choice(token_ids=[4] * 6, logprobs={"token_logprobs": [-0.5] * 6}),
    "past its stop": _choice(token_ids=[9, 4], finish_reason="length"),
    "without ids": _choice(token_ids=None),
    "without logprobs": _choice(logprobs=None),
    "a logprob of null": _choice(logprobs={"token_logprobs": [-0.5, None]}),
    "a logprob that is no number": _choice(logprobs={"token_logprobs": [-0.5, math.nan]}),
    "a logprob too few": _choice(logprobs={"token_logprobs": [-0.5]}),
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
def test_a_reply_that_is_not_whole_is_asked_again_and_then_a_failure(reply: tuple[int, Any]):
    server = Server(reply, _choice())
    assert _generate(server) == Sample([4, 9], [-0.5, -0.5], StopReason.STOP)
    assert len(server.bodies) == 2
    server = Server(reply)
    with pytest.raises(EngineFailed, match=f"no answer in {ATTEMPTS} attempts"):
        _generate(server)
    assert len(server.bodies) == ATTEMPTS


def test_nothing_that_shapes_the_distribution_is_left_to_the_server():
    """Every default that vLLM's server would take from a generation_config.json."""
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    server = Server(_reply([9]))
    _generate(server)
    (body,) = server.bodies
    request = CompletionRequest.model_validate(body)
    evil = {"temperature": 0.1, "top_p": 0.5, "top_k": 1, "min_p": 0.5, "repetition_penalty": 2.0}
    evil |= {"presence_penalty": 2.0, "frequency_penalty": 2.0}
    assert request.to_sampling_params(5, evil) == request.to_sampling_params(5, {})
    assert request.to_sampling_params(5, evil).temperature == SAMPLING.temperature


def test_a_text_is_scored_by_the_log_probabilities_of_a_prompt():
    async def scored(url: str) -> list[float]:
        async with RemoteEngine([url], in_flight=2, max_tokens=7, first_wait=0.01) as engine:
            return await asyncio.to_thread(engine.score, [1, 2, 3])

    told = [None, {"2": {"logprob": -1.5, "rank": 3}}, {"3": {"logprob": -0.25, "rank": 1}, "8": {"logprob": -2.0}}]
    with serving(Server(_choice(prompt_logprobs=told))) as url:
        assert asyncio.run(scored(url)) == [-1.5, -0.25]
    for broken in (None, told[:2], [None, {"2": {"logprob": -1.5}}, {"4": {"logprob": -1.0}}]):
        with serving(Server(_choice(prompt_logprobs=broken))) as url, pytest.raises(EngineFailed, match="of a prompt"):
            asyncio.run(scored(url))


def test_a_refused_request_fails_at_once():
    server = Server((400, {"error": "too long"}))
    with pytest.raises(EngineFailed, match="status 400"):
        _generate(server)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((200, {"choices": [{"text": "no ids"}]}), "returns no token ids"),
        (_reply([4, 3, 9]), "sampled a banned token"),
    ],
)
def test_text_without_ids_and_banned_tokens_are_not_believed(reply, message):
    with pytest.raises(EngineFailed, match=message):
        _generate(Server(reply))


def test_what_is_no_engine_is_told_before_work_begins():
    with pytest.raises(BadInput, match="cannot be reached"):
        RemoteEngine(["http://127.0.0.1:9"], in_flight=1, max_tokens=7)
    with serving(lambda *_: (200, {"hello": "world"})) as url, pytest.raises(BadInput, match="no OpenAI-compatible"):
        RemoteEngine([url], in_flight=1, max_tokens=7)
    with serving(lambda *_: (200, HTML)) as url, pytest.raises(BadInput, match="no OpenAI-compatible"):
        RemoteEngine([url], in_flight=1, max_tokens=7)
    with serving(lambda *_: (404, {})) as url, pytest.raises(BadInput, match="answers 404"):
        RemoteEngine([url], in_flight=1, max_tokens=7)


def test_requests_are_shared_out_and_a_server_without_an_answer_is_left_out():
    async def many(urls: list[str]) -> list[Sample]:
        async with RemoteEngine(urls, in_flight=8, max_tokens=7, first_wait=0.01) as engine:
            return await asyncio.gather(*(engine.generate([1, 2], SAMPLING) for _ in range(8)))

    servers = Server(_reply([9])), Server(_reply([9]))
    with serving(servers[0]) as one, serving(servers[1]) as other:
        asyncio.run(many([one, other]))
    assert [len(server.bodies) for server in servers] == [4, 4]

    broken, sound = Server((503, {})), Server(_reply([9]))
    with serving(broken) as one, serving(sound) as other:
        assert len(asyncio.run(many([one, other]))) == len(sound.bodies) == 8
    assert len(broken.bodies) == 4


def test_servers_of_different_models_are_refused():
    refused = pytest.raises(BadInput, match="must serve one model")
    with serving(lambda *_: (200, {"data": [{"id": "other"}]})) as one, serving(Server(_reply([9]))) as other, refused:
        RemoteEngine([one, other], in_flight=1, max_tokens=7)


def test_a_server_that_reads_less_than_a_conversation_is_refused():
    def serve(longest: int) -> Any:
        return lambda *_: (200, {"data": [{"id": "served", "max_model_len": longest}]})

    with serving(serve(768)) as one, serving(serve(767)) as other:
        RemoteEngine([one, other], in_flight=1, max_tokens=767)
        with pytest.raises(BadInput, match=rf"{other}: .*reads 767 tokens, not agent\.max_tokens 768.*-len 768"):
            RemoteEngine([one, other], in_flight=1, max_tokens=768)

"""A remote engine against a real HTTP server: what it asks for, what it believes, when it asks again."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.errors import BadInput
from tasks.rollouts.engine import EngineFailed, Sample, Sampling, StopReason
from tasks.rollouts.remote_engine import ATTEMPTS, RemoteEngine
from tests.support.http_server import serving

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


def test_a_refused_request_fails_at_once():
    server = Server((400, {"error": "too long"}))
    with pytest.raises(EngineFailed, match="status 400"):
        _generate(server)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((200, {"choices": [{"text": "no ids"}]}), "gives no token ids"),
        (_reply([4, 3, 9]), "other tokens than were asked for"),
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

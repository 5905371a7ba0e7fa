"""What is read of a reply that should have been one JSON object."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, StrictBool

from schemas.runtime import EndpointRuntime
from tasks.requests.chat import ChatEndpoint, RequestRefused
from tasks.requests.forms import MISUNDERSTANDINGS, Unreadable, filled, read
from tests.support.http_server import serving


class Step(BaseModel):
    thought: str
    ask: str = ""


class Opinion(BaseModel):
    right: StrictBool


STEP = '{"thought": "t", "ask": "a"}'

READABLE = {
    "bare": STEP,
    "in a fence": f"Sure!\n```json\n{STEP}\n```\nAnything else?",
    "behind prose with braces": f"Of {{x, y}} the first: {STEP}",
    "before prose with braces": f"{STEP} where {{x}} is open {{",
    "behind reasoning with braces": f"<think>the set {{a, b}} and {{ more </think>{STEP}",
    "behind reasoning with a draft": f'<think>maybe {{"thought": "no", "ask": "no"}}</think>\n{STEP}',
    "behind reasoning with half a draft": f'<think>maybe {{"thought": "no, wait</think>\n{STEP}',
    "behind reasoning that nothing opens": f'maybe {{"thought": "no", "ask": "no"}}</think>{STEP}',
    "behind reasoning twice": f"<think>a {{</think><reasoning>b }}</reasoning> {STEP}",
    "behind reasoning in capitals": f"<THINK>{{</THINK>{STEP}",
    "behind a draft": f'{{"thought": "no", "ask": "no"}}\nBetter:\n{STEP}',
    "before an object of another form": f'{STEP}\n{{"confidence": 0.9}}',
    "in a list": f"[{STEP}]",
    "with more fields": '{"thought": "t", "ask": "a", "sure": {"of": [1, {"it": 2}]}}',
    "with line breaks": '{\n  "thought": "t",\n  "ask": "a"\n}',
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_the_last_whole_object_is_read(text: str):
    assert read(Step, text) == Step(thought="t", ask="a")


@pytest.mark.parametrize(
    "thought", ["a { b", "a } b", '"{}"', "\\", "</think><answer>Kalo</answer>", "<think>", "```", "a\nb", "‹é 日本›"]
)
def test_whatever_stands_in_a_string_is_read_as_it_is(thought: str):
    for text in (json.dumps({"thought": thought}), f"<think>{{</think>{json.dumps({'thought': thought})}"):
        assert read(Step, text) == Step(thought=thought)


def test_a_line_break_within_a_string_is_forgiven():
    assert read(Step, '{"thought": "one\ntwo"}') == Step(thought="one\ntwo")


UNREADABLE = {
    "nothing": "",
    "prose": "I would rather not.",
    "cut in a string": '{"thought": "t", "ask": "a',
    "cut behind a field": '{"thought": "t",',
    "cut behind a part that has the form": f'{{"plan": {STEP}, "thought": "t',
    "cut in reasoning": f"<think>maybe {STEP} or",
    "reasoning alone": f"<think>maybe {STEP}</think> I do not know.",
    "an object of another form": '{"confidence": 0.9}',
    "a list": '["thought"]',
    "a form of other types": '{"thought": ["t"]}',
    "half a character": '{"thought": "\\ud800"}',
    "very deep": '{"a":' * 100_000,
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_whole_object_of_the_form_is_not_read(text: str):
    assert read(Step, text) is None


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"right": true}', True),
        ('<think>{"right": true}? No, it is not correct.</think>{"right": false}', False),
        ('It is correct. {"right": false}', False),
        ("not correct", None),
        ('{"right": "true"}', None),
        ('{"right": 1}', None),
    ],
)
def test_an_opinion_is_understood_literally(text: str, right: bool | None):
    found = read(Opinion, text)
    assert (found.right if found else None) is right


class Endpoint:
    """Plays a model that replies in turn with these, the last one again and again; ``refuses`` forms with a text."""

    def __init__(self, *replies: str, refuses: str | None = None) -> None:
        self._replies, self._refuses = list(replies), refuses
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "clever"}]}
        self.bodies.append(body)
        if self._refuses is not None and "response_format" in body:
            return 400, {"error": {"message": self._refuses}}
        text = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return 200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    @property
    def forms(self) -> list[bool]:
        return ["response_format" in body for body in self.bodies]


def _filled(played: Endpoint, times: int = 1) -> list[Step | str]:
    async def ask(url: str) -> list[Step | str]:
        found: list[Step | str] = []
        async with ChatEndpoint(EndpointRuntime(url=url), "clever", 0.7, first_wait=0.01) as endpoint:
            for _ in range(times):
                try:
                    found.append(await filled(Step, endpoint, "system", "user", 7))
                except RequestRefused:
                    found.append("refused")
        return found

    with serving(played) as url:
        return asyncio.run(ask(url))


def test_an_endpoint_is_asked_for_the_form():
    played = Endpoint(STEP)
    assert _filled(played) == [Step(thought="t", ask="a")]
    wanted = played.bodies[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"] == {"name": "step", "schema": Step.model_json_schema()}


def test_a_reply_that_cannot_be_read_is_asked_for_again_with_another_seed():
    played = Endpoint("no idea", STEP)
    assert _filled(played) == [Step(thought="t", ask="a")]
    assert [body["seed"] for body in played.bodies] == [7, 8]
    played = Endpoint("no idea")
    with pytest.raises(Unreadable, match="no idea"):
        _filled(played)
    assert len(played.bodies) == MISUNDERSTANDINGS


def test_an_endpoint_without_structured_outputs_is_asked_for_them_once():
    played = Endpoint(STEP, refuses="This response_format type is unavailable now")
    assert _filled(played, times=3) == 3 * [Step(thought="t", ask="a")]
    assert played.forms == [True, False, False, False]


def test_a_refusal_without_a_reason_is_of_the_request_and_the_next_one_is_asked_plainly():
    played = Endpoint(STEP, refuses="bad request")
    assert _filled(played, times=3) == ["refused", *2 * [Step(thought="t", ask="a")]]
    assert played.forms == [True, False, False]

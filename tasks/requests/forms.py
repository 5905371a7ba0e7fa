"""Replies of chat models that fill in a form: one JSON object, parsed as a pydantic model.

Models add text around the object. They reason first (``<think>`` with braces in it), put the object into a fence, or
write a draft first. The last complete object of the reply, outside its reasoning, that matches the form counts.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.requests.chat import ChatEndpoint

Form = TypeVar("Form", bound=BaseModel)

MISUNDERSTANDINGS = 3
"""How many unreadable replies to one request are allowed."""

_DECODER = json.JSONDecoder(strict=False)  # allows line breaks within strings, which models write
_REASONING = "think|thinking|thought|reasoning|reflection|analysis"
_OPENED = re.compile(rf"<\s*(?:{_REASONING})\s*>", re.IGNORECASE)
_CLOSED = re.compile(rf"<\s*/\s*(?:{_REASONING})\s*>", re.IGNORECASE)


class Unreadable(Exception):
    """A model did not reply in the requested form."""


async def filled(form: type[Form], endpoint: ChatEndpoint, system: str, user: str, seed: int) -> Form:
    """The form as the model fills it in. After an unreadable reply the request is sent again with another seed.

    Raises:
        Unreadable: all of `MISUNDERSTANDINGS` replies were unreadable.
        BadInput, RequestRefused, ChatFailed: as `ChatEndpoint.complete` raises them.
    """
    text = ""
    for repeat in range(MISUNDERSTANDINGS):
        text = await endpoint.complete(system, user, (seed + repeat) & 0x7FFFFFFF, form)
        answer = read(form, text)
        if answer is not None:
            return answer
    raise Unreadable(f"no readable reply in {MISUNDERSTANDINGS}: {' '.join(text.split())[:100]!r}")


def read(form: type[Form], text: str) -> Form | None:
    """The last complete JSON object in a reply that matches the form; None if no object does.

    Objects within reasoning are drafts and do not count. Nor does an object that the end of the reply cuts off, or any
    object within it.
    """
    for value in reversed(_objects_said(text)):
        try:
            return form.model_validate_json(json.dumps(value))  # as JSON, which refuses lone surrogates
        except ValidationError:
            continue
    return None


class _Object(NamedTuple):
    start: int
    end: int
    value: object


def _objects_said(text: str) -> list[object]:
    """The objects in a reply that are not in its reasoning, in order.

    A reasoning tag may also be text in a string of the object itself: the object then extends over the tag, and counts.
    """
    closed = max((mark.end() for mark in _CLOSED.finditer(text)), default=0)
    left_open = _OPENED.search(text, closed)
    opened = left_open.start() if left_open else len(text)
    # Text after the reasoning is parsed by itself first: an unbalanced quotation mark in the reasoning may hide it.
    for start in dict.fromkeys((closed, 0)):
        values = [each.value for each in _objects(text, start) if each.end > closed and each.start < opened]
        if values:
            return values
    return []


def _objects(text: str, start: int) -> Iterator[_Object]:
    """The complete JSON objects of a text from ``start`` on, without those nested in another one."""
    while (start := text.find("{", start)) >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if _is_cut(error, text):
                return
            start += 1
        except RecursionError:
            return
        else:
            yield _Object(start, end, value)
            start = end


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether an object is incomplete because the text ends."""
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")

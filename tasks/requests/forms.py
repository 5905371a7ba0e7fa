"""Replies of chat models that are to fill in a form: one JSON object, read as a pydantic model.

Models talk around what they were asked for. They reason first (``<think>`` with braces in it), they wrap the object in
a fence, they write a draft and then another. What counts is the last whole object of the reply proper that has the
form.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.requests.chat import ChatEndpoint

Form = TypeVar("Form", bound=BaseModel)

MISUNDERSTANDINGS = 3
"""How often a model may reply in a form that cannot be read."""

_DECODER = json.JSONDecoder(strict=False)  # models break lines within strings
_REASONING = "think|thinking|thought|reasoning|reflection|analysis"
_OPENED = re.compile(rf"<\s*(?:{_REASONING})\s*>", re.IGNORECASE)
_CLOSED = re.compile(rf"<\s*/\s*(?:{_REASONING})\s*>", re.IGNORECASE)


class Unreadable(Exception):
    """A model did not reply in the form that it was asked for."""


async def filled(form: type[Form], endpoint: ChatEndpoint, system: str, user: str, seed: int) -> Form:
    """The form as the model fills it in, asked again with another seed where its reply cannot be read.

    Raises:
        Unreadable: no reply of `MISUNDERSTANDINGS` could be.
        BadInput, RequestRefused, ChatFailed: as `ChatEndpoint.complete` does.
    """
    text = ""
    for repeat in range(MISUNDERSTANDINGS):
        text = await endpoint.complete(system, user, (seed + repeat) & 0x7FFFFFFF, form)
        found = read(form, text)
        if found is not None:
            return found
    raise Unreadable(f"no readable reply in {MISUNDERSTANDINGS}: {' '.join(text.split())[:100]!r}")


def read(form: type[Form], text: str) -> Form | None:
    """The last whole JSON object in a reply that has the form; None where there is none.

    Objects within reasoning are drafts. An object that the end of the reply cuts off is none, and neither is any part
    of it.
    """
    for found in reversed(_objects_said(text)):
        try:
            return form.model_validate_json(json.dumps(found))  # as JSON: Python would let half a character pass
        except ValidationError:
            continue
    return None


class _Object(NamedTuple):
    start: int
    end: int
    value: object


def _objects_said(text: str) -> list[object]:
    """The objects in a reply that are not in its reasoning, in order.

    A mark of reasoning may stand in a string of the object itself: then the object reaches over the mark.
    """
    closed = max((mark.end() for mark in _CLOSED.finditer(text)), default=0)
    left_open = _OPENED.search(text, closed)
    opened = left_open.start() if left_open else len(text)
    # A quotation mark in the reasoning may swallow what comes behind it, so what is behind is read by itself first.
    for start in dict.fromkeys((closed, 0)):
        said = [each.value for each in _objects(text, start) if each.end > closed and each.start < opened]
        if said:
            return said
    return []


def _objects(text: str, start: int) -> Iterator[_Object]:
    """Whole JSON objects of a text from a place on, none of which is part of another."""
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
    """Whether it was the end of the text that kept an object from being whole."""
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")

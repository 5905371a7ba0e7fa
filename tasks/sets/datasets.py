"""The layout `published`: question sets as they are distributed.

JSON lists, JSON lines and CSV: HotpotQA and 2WikiMultihopQA (official, and Hugging Face's columns), their and MuSiQue's
paragraphs with ``is_supporting``, FanOutQA with its sub-questions, FreshQA, Bamboogle, plain question and answer, and
corpora of ``title`` and ``text``.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from schemas.errors import BadInput
from tasks.ledger import storage
from tasks.sets.interface import Layout, SetText

_QUESTION_FIELDS = ("question", "question_text", "Question")


class Published(Layout):
    """The layout `published`: which one of them a record has is seen from its fields."""

    def read(self, path: str) -> Iterator[SetText]:
        return read_texts(path)


def read_texts(path: str) -> Iterator[SetText]:
    """All questions of a set, and the passages that it names as evidence.

    Raises:
        BadInput: there is no such file, or its layout is unknown.
    """
    for number, record in enumerate(_records(path), 1):
        try:
            found = [*_questions(record), *_evidence(record)]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{path}, record {number}: in no known layout: {error}") from None
        if not found:
            fields = ", ".join(map(str, record))
            raise BadInput(f"{path}, record {number}: neither question nor passage in the fields {fields}")
        yield from found


def _records(path: str) -> Iterator[dict[str, Any]]:
    try:
        content = storage.read_bytes(path)
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"{path}: no such file of questions") from None
    try:
        text = content.decode("utf-8-sig")
        if path.endswith(".csv"):
            yield from csv.DictReader(io.StringIO(text, newline=""))
        elif path.endswith(".jsonl"):
            # Texts may hold what Unicode takes for the end of a line.
            yield from (json.loads(line) for line in text.split("\n") if line.strip())
        else:
            yield from _listed(json.loads(text))
    except (ValueError, csv.Error) as error:
        raise BadInput(f"{path}: not a JSON list, JSON lines or CSV: {error}") from None


def _listed(document: Any) -> list[dict[str, Any]]:
    if not isinstance(document, list):
        raise ValueError("one object or value")
    return document


def _questions(record: Mapping[str, Any]) -> Iterator[SetText]:
    asked = [record[field] for field in _QUESTION_FIELDS if isinstance(record.get(field), str)]
    for message in record.get("prompt") or ():  # a chat, of one message
        asked.append(message["content"])
    yield from (SetText("question", text) for text in dict.fromkeys(asked) if text.strip())
    for step in record.get("decomposition") or ():
        yield from _questions(step)


def _evidence(record: Mapping[str, Any]) -> Iterator[SetText]:
    texts = [record["text"]] if isinstance(record.get("text"), str) else []
    for paragraph in record.get("contexts") or record.get("paragraphs") or ():
        if paragraph.get("is_supporting"):
            texts.append(paragraph["paragraph_text"])
    texts += _supporting(record.get("context"), record.get("supporting_facts"))
    yield from (SetText("evidence", text) for text in texts)


def _supporting(context: Any, facts: Any) -> list[str]:
    """Paragraphs that hold a supporting fact; either is a list of pairs, or two columns."""
    if not context or not facts:
        return []
    if isinstance(context, dict):
        wanted, pairs = set(facts["title"]), list(zip(context["title"], context["sentences"], strict=True))
    else:
        wanted, pairs = {title for title, _ in facts}, [(title, sentences) for title, sentences in context]
    return ["".join(sentences) for title, sentences in pairs if title in wanted]

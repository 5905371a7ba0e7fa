"""Servers that read token ids in another way are found out by two questions; one that cannot answer is believed."""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.errors import BadInput
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.rollouts.remote_vocabulary import refuse_other_vocabulary
from tests.support.http_server import serving


class Served:
    """As vLLM's server answers: with a tokenizer of its own, or none, and a model of so many rows."""

    def __init__(self, tokenizer: AgentTokenizer | None, rows: int) -> None:
        self._tokenizer, self._rows = tokenizer, rows

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "student"}]}
        if path == "/tokenize":
            ids = self._tokenizer.encode(body["prompt"]) if self._tokenizer else []
            return (200, {"count": len(ids), "max_model_len": 512, "tokens": ids}) if ids else (404, {})
        if max(body["prompt"]) >= self._rows:
            return 400, {"error": {"message": f"Token id {max(body['prompt'])} is out of vocabulary"}}
        return 200, {"choices": []}


@pytest.fixture(scope="module")
def ours() -> AgentTokenizer:
    return train_tokenizer(["who wrote it, Kalo or Tovi, and when was it found?"] * 9, 330)


@pytest.fixture(scope="module")
def others() -> AgentTokenizer:
    return train_tokenizer(["zyx wvu tsr qpo"] * 9, 330)


def _check(ours: AgentTokenizer, served: Served) -> None:
    with serving(served) as url:
        refuse_other_vocabulary([url], ours)


def test_a_server_of_the_same_vocabulary_passes_with_and_without_a_tokenizer(ours: AgentTokenizer):
    _check(ours, Served(ours, ours.vocabulary))
    _check(ours, Served(None, ours.vocabulary + 60))


@pytest.mark.parametrize("reply", [b"<html>not here</html>", ["tokens"], {"tokens": None}, 7])
def test_a_server_that_answers_with_something_else_is_believed(ours: AgentTokenizer, reply: Any):
    served = Served(ours, ours.vocabulary)
    with serving(lambda path, *rest: (200, reply) if path == "/tokenize" else served(path, *rest)) as url:
        refuse_other_vocabulary([url], ours)


def test_a_server_with_another_tokenizer_is_refused(ours: AgentTokenizer, others: AgentTokenizer):
    with pytest.raises(BadInput, match="student has another tokenizer"):
        _check(ours, Served(others, 1000))


def test_a_model_with_too_few_rows_is_refused(ours: AgentTokenizer):
    with pytest.raises(BadInput, match=f"student does not know the token id {ours.vocabulary - 1}"):
        _check(ours, Served(None, ours.vocabulary - 1))

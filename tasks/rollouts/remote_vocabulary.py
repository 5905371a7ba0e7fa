"""Checks that remote servers read token ids as the local tokenizer writes them, before work is sent to them."""

from collections.abc import Sequence

import httpx

from schemas.errors import BadInput
from tasks.agent.protocol import answer_turn, search_turn
from tasks.agent.tokenizer import AgentTokenizer
from tasks.engines.remote_engine import model_served

_TEXT = search_turn("who wrote it, and when?", ["Kalo 1871"]) + answer_turn("found", "Tovi, in 1902.")
_SECONDS = 60.0


def refuse_other_vocabulary(urls: Sequence[str], tokenizer: AgentTokenizer) -> None:
    """Raises BadInput where a server's tokenizer writes other ids, or its model does not know the highest id.

    A server that answers neither request (it has no tokenizer, or is busy) passes.
    """
    for url in (each.rstrip("/") for each in urls):
        model = model_served(url).name
        tokenized = _ask(f"{url}/tokenize", {"model": model, "prompt": _TEXT, "add_special_tokens": False})
        tokens = None if tokenized is None else _tokens_of(tokenized)
        if tokens is not None and tokens != tokenizer.encode(_TEXT):
            raise BadInput(
                f"runtime.engine.urls {url}: {model} has another tokenizer, whose ids stand for other words: "
                "serve the model with the tokenizer that it was trained with"
            )
        highest = tokenizer.vocabulary - 1
        reply = _ask(f"{url}/v1/completions", {"model": model, "prompt": [highest], "max_tokens": 1, "temperature": 0})
        if reply is not None and reply.status_code == 400 and "vocabulary" in reply.text:
            raise BadInput(
                f"runtime.engine.urls {url}: {model} does not know the token id {highest} of the tokenizer: "
                "they do not belong together; serve the model that was trained with this tokenizer"
            )


def _ask(url: str, body: dict[str, object]) -> httpx.Response | None:
    try:
        return httpx.post(url, json=body, timeout=_SECONDS)
    except httpx.RequestError:
        return None


def _tokens_of(response: httpx.Response) -> list[int] | None:
    """The token ids of a reply; None if it has none: the server has no tokenizer, or is not an engine at all."""
    try:
        tokens = response.json()["tokens"]
    except (ValueError, LookupError, TypeError):
        return None
    return tokens if response.status_code == 200 else None

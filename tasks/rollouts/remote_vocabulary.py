"""Whether servers by address read token ids as the tokenizer here writes them, asked before work is sent to them."""

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

    A server that answers neither question (it runs without a tokenizer, or is busy) is believed.
    """
    for url in (each.rstrip("/") for each in urls):
        model = model_served(url).name
        told = _ask(f"{url}/tokenize", {"model": model, "prompt": _TEXT, "add_special_tokens": False})
        tokens = None if told is None else _tokens_of(told)
        if tokens is not None and tokens != tokenizer.encode(_TEXT):
            raise BadInput(
                f"runtime.engine.urls {url}: {model} has another tokenizer, whose ids stand for other words: "
                "serve the model with the tokenizer that it was trained with"
            )
        highest = tokenizer.vocabulary - 1
        said = _ask(f"{url}/v1/completions", {"model": model, "prompt": [highest], "max_tokens": 1, "temperature": 0})
        if said is not None and said.status_code == 400 and "vocabulary" in said.text:
            raise BadInput(
                f"runtime.engine.urls {url}: {model} does not know the token id {highest} of the tokenizer: "
                "they were not made for each other"
            )


def _ask(url: str, body: dict[str, object]) -> httpx.Response | None:
    try:
        return httpx.post(url, json=body, timeout=_SECONDS)
    except httpx.RequestError:
        return None


def _tokens_of(response: httpx.Response) -> list[int] | None:
    """None where the reply tells none: the server has no tokenizer, or something else answers for it."""
    try:
        tokens = response.json()["tokens"]
    except (ValueError, LookupError, TypeError):
        return None
    return tokens if response.status_code == 200 else None

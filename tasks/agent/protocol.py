"""The one protocol between an agent and its environment, for teacher, student, trainer and evaluation.

    <think>…</think><search>one query a line</search>     the environment appends   <information>…</information>
    <think>…</think><answer>…</answer>

A turn is what the model writes until the engine stops it at ``</search>`` or ``</answer>``. The tags are single tokens
(tasks/agent/tokenizer.py), and nothing but the model and the environment can write them: text from outside is
neutralised. So are the control tokens of the tokenizers that are trained here; those of an adopted tokenizer, whatever
they are, its encoding reads as text.
"""

import re
from dataclasses import dataclass

from retrieval_index.hits import Hit
from schemas.records import Question
from schemas.settings import AgentSettings

MASK = "[mask]"
TAG_NAMES = ("think", "search", "information", "answer")
TAGS = tuple(tag for name in TAG_NAMES for tag in (f"<{name}>", f"</{name}>"))
PAD, EOS = "<pad>", "<eos>"
"""The control tokens of a tokenizer that is trained here."""
ENVIRONMENT_TAGS = ("<information>", "</information>")
STOP_TAGS = ("</search>", "</answer>")

NOTHING_FOUND = "nothing found"


def _like(*names: str) -> re.Pattern[str]:
    return re.compile(r"<(\s*/?\s*(?:" + "|".join(names) + r")\s*/?\s*)>", re.IGNORECASE)


_TAG_LIKE = _like(*TAG_NAMES)
_MARKUP_LIKE = _like(*TAG_NAMES, PAD.strip("<>"), EOS.strip("<>"))
_TURN = re.compile(r"\s*<think>(?P<think>.*?)</think>\s*<(?P<act>search|answer)>(?P<body>.*?)</(?P=act)>\s*", re.DOTALL)


def neutralise(text: str) -> str:
    """Text from outside with anything that looks like a tag made harmless: ``<answer>`` becomes ``‹answer›``."""
    return _MARKUP_LIKE.sub(r"‹\1›", text)


def prompt_of(question: Question, agent: AgentSettings) -> str:
    """What the agent reads first: the question, then the instruction where there is one."""
    instruction = f"\n\n{agent.instruction}" if agent.instruction else ""
    return f"{neutralise(question.prompt)}{instruction}\n"


def information_of(hits: list[Hit]) -> str:
    """The environment's reply to a search, one passage a line, best first."""
    lines = [neutralise(f"{hit.title}: {' '.join(hit.text.split())}") for hit in hits] or [NOTHING_FOUND]
    return "<information>" + "\n".join(lines) + "</information>"


@dataclass(frozen=True)
class Turn:
    """One well-formed turn: either queries or an answer."""

    think: str
    queries: list[str]
    answer: str | None


def search_turn(think: str, queries: list[str]) -> str:
    """Queries of several lines are written in one line each."""
    return f"<think>{think}</think><search>" + "\n".join(" ".join(query.split()) for query in queries) + "</search>"


def answer_turn(think: str, answer: str) -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


def parse_turn(text: str) -> Turn | None:
    """The turn that a model wrote, or None where it is not exactly one thought and one act.

    Anything but white space outside the tags, a tag inside them, or a search without a query makes it malformed. Only
    a line feed ends a query: U+2028 or U+0085 may be part of one.
    """
    found = _TURN.fullmatch(text)
    if found is None or any(_TAG_LIKE.search(found[part]) for part in ("think", "body")):
        return None
    think, body = found["think"].strip(), found["body"].strip()
    if found["act"] == "answer":
        return Turn(think, [], body)
    queries = [line.strip() for line in body.split("\n") if line.strip()]
    return Turn(think, queries, None) if queries else None

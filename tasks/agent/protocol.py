"""The protocol between an agent and its environment. Teachers, students, trainers and evaluation share it.

    <think>…</think><search>one query per line</search>   the environment appends   <information>…</information>
    <think>…</think><answer>…</answer>

A turn is the model's text until the engine stops at ``</search>`` or ``</answer>``. The tags are single tokens
(tasks/agent/tokenizer.py). Only the model and the environment can write them, because text from outside is neutralised,
together with the control tokens of tokenizers trained here. The control tokens of an adopted tokenizer need no change
of the text: its encoding reads them as plain characters.
"""

import re
from dataclasses import dataclass

from retrieval_index.hits import Hit
from schemas.records import ClaimLabel, Question
from schemas.settings import AgentSettings

MASK = "[mask]"
TAG_NAMES = ("think", "search", "information", "answer")
TAGS = tuple(tag for name in TAG_NAMES for tag in (f"<{name}>", f"</{name}>"))
PAD, EOS = "<pad>", "<eos>"
"""The control tokens of a tokenizer trained here."""
ENVIRONMENT_TAGS = ("<information>", "</information>")
STOP_TAGS = ("</search>", "</answer>")

CLAIM_IS_ASKED = f"Is this {ClaimLabel.SUPPORTED} or {ClaimLabel.REFUTED}?"
NOTHING_FOUND = "nothing found"


def tags_like(*names: str) -> re.Pattern[str]:
    """A pattern of everything that a model might read as a tag with one of these names."""
    return re.compile(r"<(\s*/?\s*(?:" + "|".join(map(re.escape, names)) + r")\s*/?\s*)>", re.IGNORECASE)


# Also other capitals, spaces and slashes ("< /Answer >"): a model would read such text as a tag.
_TAG_LIKE = tags_like(*TAG_NAMES)
_MARKUP_LIKE = tags_like(*TAG_NAMES, PAD.strip("<>"), EOS.strip("<>"))
_TURN = re.compile(r"\s*<think>(?P<think>.*?)</think>\s*<(?P<act>search|answer)>(?P<body>.*?)</(?P=act)>\s*", re.DOTALL)


def neutralise(text: str, tag_like: re.Pattern[str] = _MARKUP_LIKE) -> str:
    """Text from outside, in which anything that looks like a tag is harmless: ``<answer>`` becomes ``‹answer›``.

    Args:
        tag_like: what looks like a tag (`tags_like`): by default one of this protocol, or its control tokens.
    """
    return tag_like.sub(r"‹\1›", text)


def prompt_of(question: Question, agent: AgentSettings) -> str:
    """The first text that the agent reads: the question, then the instruction if the settings have one.

    A claim asks nothing by itself: the line below it says what to answer with.
    """
    asked = f"\n{CLAIM_IS_ASKED}" if question.kind == "claim" else ""
    instruction = f"\n\n{agent.instruction}" if agent.instruction else ""
    return f"{neutralise(question.prompt)}{asked}{instruction}\n"


def information_of(hits: list[Hit]) -> str:
    """The environment's reply to a search: one passage per line, best first."""
    lines = [neutralise(f"{hit.title}: {' '.join(hit.text.split())}") for hit in hits] or [NOTHING_FOUND]
    return "<information>" + "\n".join(lines) + "</information>"


def shows_page(information: str, title: str) -> bool:
    """Whether an information block has a passage of the page with this title."""
    start = f"{neutralise(title)}: ".casefold()
    lines = information.removeprefix(ENVIRONMENT_TAGS[0]).split("\n")
    return any(line.casefold().startswith(start) for line in lines)


@dataclass(frozen=True)
class Turn:
    """One well-formed turn: either queries or an answer."""

    think: str
    queries: list[str]
    answer: str | None


def search_turn(think: str, queries: list[str]) -> str:
    """A turn that searches. Line breaks within a query become spaces, since each line is a query."""
    return f"<think>{think}</think><search>" + "\n".join(" ".join(query.split()) for query in queries) + "</search>"


def answer_turn(think: str, answer: str) -> str:
    return f"<think>{think}</think><answer>{answer}</answer>"


def parse_turn(text: str) -> Turn | None:
    """The turn that a model wrote; None if it is not exactly one thought and one search or answer.

    Text outside the tags, a tag inside them, or a search without a query makes a turn malformed. Only a line feed ends
    a query: U+2028 or U+0085 may be part of it.
    """
    found = _TURN.fullmatch(text)
    if found is None or any(_TAG_LIKE.search(found[part]) for part in ("think", "body")):
        return None
    think, body = found["think"].strip(), found["body"].strip()
    if found["act"] == "answer":
        return Turn(think, [], body)
    queries = [line.strip() for line in body.split("\n") if line.strip()]
    return Turn(think, queries, None) if queries else None

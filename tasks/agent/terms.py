"""The terms of a conversation: how a model and its environment write to each other, and within which limits.

`OwnTerms` are those of the pipeline's own protocol (protocol.py), whose tags are tokens. `TextTerms` are those of a
protocol from a file (`schemas.protocol_settings`), or of the one that a prompt explains (explained.py): one user
message, and tags as plain text. The environment (environment.py) is the same for both.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from retrieval_index.hits import Hit
from schemas.protocol_settings import QUESTION, ProtocolSettings
from schemas.records import Author, Question, Segment
from schemas.settings import AgentSettings
from tasks.agent.protocol import (
    ENVIRONMENT_TAGS,
    NOTHING_FOUND,
    STOP_TAGS,
    Turn,
    information_of,
    neutralise,
    parse_turn,
    prompt_of,
    search_turn,
    tags_like,
)
from tasks.agent.text_tokenizer import TextTokenizer
from tasks.agent.tokenizer import AgentTokenizer


class Terms(Protocol):
    """Immutable after construction, and safe to share between rollouts."""

    agent: AgentSettings
    """The limits."""
    stop_ids: tuple[int, ...]
    """The ids at which an engine stops. Whether the turn is over then, `is_over` says."""
    correction: str | None
    """What the environment says after a turn that is none; None: such a turn ends the rollout."""

    def ask(self, question: Question) -> Segment:
        """The first text that the model reads."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text of the environment."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of sampled ids."""

    def banned(self, tags: Sequence[str]) -> tuple[int, ...]:
        """The ids that a sampler must not draw if these tags are banned."""

    def is_over(self, ids: Sequence[int]) -> bool:
        """Whether the turn of these sampled ids, of which the last is one of `stop_ids`, is over."""

    def turn_of(self, opening: str, ids: Sequence[int], closing: str) -> Turn | None:
        """The turn that begins with the text ``opening``, goes on with the sampled ids and ends with ``closing``; None
        if it is malformed."""

    def search_turn(self, query: str) -> str:
        """A turn that searches, written for the model. The query is neutralised."""

    def information(self, hits: list[Hit]) -> str:
        """The environment's reply to a search, with neutralised passages."""


class OwnTerms:
    """Those of the pipeline's own protocol."""

    correction: str | None = None

    def __init__(self, tokenizer: AgentTokenizer, agent: AgentSettings) -> None:
        self._tokenizer, self.agent = tokenizer, agent
        # The environment's tags end a turn, too: after one the model would make up the environment's reply.
        self.stop_ids = (*self.banned((*STOP_TAGS, *ENVIRONMENT_TAGS)), tokenizer.eos_id)

    def ask(self, question: Question) -> Segment:
        prompt = prompt_of(question, self.agent)
        return Segment(author=Author.PROMPT, text=prompt, token_ids=self._tokenizer.begin(prompt))

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)

    def banned(self, tags: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._tokenizer.tag_id(tag) for tag in tags)

    def is_over(self, ids: Sequence[int]) -> bool:
        return True

    def turn_of(self, opening: str, ids: Sequence[int], closing: str) -> Turn | None:
        return parse_turn(opening + self.decode(ids) + closing)

    def search_turn(self, query: str) -> str:
        return search_turn("", [neutralise(query)])

    def information(self, hits: list[Hit]) -> str:
        return information_of(hits)


class TextTerms:
    """Those of a protocol whose tags are plain text.

    A turn is over at the first closing tag of a search or an answer, or where the model ends it. What it wrote before
    its last opening tag does not count. An answer that was opened for the model ends where the model ends its turn.
    """

    def __init__(self, tokenizer: AgentTokenizer, agent: AgentSettings, protocol: ProtocolSettings) -> None:
        self.agent, self._protocol = protocol.limited(agent), protocol
        names = protocol.tags
        self._tokenizer = TextTokenizer(tokenizer, [tag for name in names.all for tag in (f"<{name}>", f"</{name}>")])
        self._closing = (f"</{names.search}>", f"</{names.answer}>")
        self.stop_ids = (*self._tokenizer.ids_that_end(self._closing), *self._tokenizer.ends)
        self.correction = protocol.correction
        self._tag_like = tags_like(*names.all)
        acts = f"{re.escape(names.search)}|{re.escape(names.answer)}"
        self._act = re.compile(rf"<(?P<act>{acts})>(?P<body>(?:(?!<(?:{acts})>).)*?)</(?P=act)>", re.DOTALL)

    def ask(self, question: Question) -> Segment:
        asked = self._harmless(question.prompt).strip()
        if self._protocol.question_mark and not asked.endswith("?"):
            asked += "?"
        message = self._protocol.message.replace(QUESTION, asked)
        text, ids = self._tokenizer.begin(message, self._protocol.chat_template)
        return Segment(author=Author.PROMPT, text=text, token_ids=ids)

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)

    def banned(self, tags: Sequence[str]) -> tuple[int, ...]:
        """None: a tag is several tokens, of which each has other uses."""
        return ()

    def is_over(self, ids: Sequence[int]) -> bool:
        return ids[-1] in self._tokenizer.ends or any(tag in self.decode(ids) for tag in self._closing)

    def turn_of(self, opening: str, ids: Sequence[int], closing: str) -> Turn | None:
        has_ended = bool(ids) and ids[-1] in self._tokenizer.ends
        written = self.decode(ids[:-1] if has_ended else ids)
        if has_ended and opening and not any(tag in written for tag in self._closing):
            written += self._closing[1]
        found = self._act.search(opening + written + closing)
        if found is None:
            return None
        body = found["body"].strip()
        if found["act"] == self._protocol.tags.answer:
            return Turn("", [], body)
        queries = body.split("\n") if self._protocol.several_queries else [body]
        queries = [" ".join(query.split()) for query in queries if query.strip()]
        return Turn("", queries, None) if queries else None

    def search_turn(self, query: str) -> str:
        tag = self._protocol.tags.search
        return f"{self._no_thought}<{tag}>{self._harmless(query)}</{tag}>"

    @property
    def _no_thought(self) -> str:
        return f"<{self._protocol.tags.think}></{self._protocol.tags.think}>"

    def information(self, hits: list[Hit]) -> str:
        shown = [
            self._protocol.shown(number, hit.title, " ".join(hit.text.split())) for number, hit in enumerate(hits, 1)
        ]
        tag, around = self._protocol.tags.information, self._protocol.around_information
        # As a whole: a tag might begin in one passage and end in the next.
        return f"{around}<{tag}>{self._harmless(chr(10).join(shown) or NOTHING_FOUND)}</{tag}>{around}"

    def _harmless(self, text: str) -> str:
        return neutralise(text, self._tag_like)


@lru_cache(maxsize=64)
def terms_of(tokenizer: AgentTokenizer, agent: AgentSettings, protocol: ProtocolSettings | None) -> Terms:
    """The terms of a rollout: the pipeline's own, unless a protocol is given.

    Raises:
        KeyError: the tokenizer lacks a tag of the pipeline's own protocol.
    """
    return OwnTerms(tokenizer, agent) if protocol is None else TextTerms(tokenizer, agent, protocol)

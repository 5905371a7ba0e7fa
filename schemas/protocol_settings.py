"""A protocol that a model was trained in elsewhere, or that a prompt explains to it: a YAML file of its own.

A contestant of the evaluation names the file. Its content is identity, its path is not.
"""

import re
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from schemas.config_files import parsed
from schemas.errors import first_problem
from schemas.identity import Identity, Positive
from schemas.names import refuse_name
from schemas.paths import local_path
from schemas.settings import AgentSettings

QUESTION = "{question}"
_PLACES = ("{number}", "{title}", "{text}")
_PLACE = re.compile(r"\{\w+\}")
_NOT_A_NAME = ("agent", "prompt", "rag", "direct", "live", "none", "random")
"""Words that labels have beside a protocol's name."""
OWN_NAME = "explained"
"""The name of the pipeline's own protocol where a prompt explains it (tasks/agent/explained.py)."""

TagName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


class TagNames(Identity):
    """The names of the tags: `search` stands for `<search>` and `</search>`."""

    think: TagName = "think"
    """Around a thought. A turn need not have one."""
    search: TagName = "search"
    """Around what the model searches for."""
    information: TagName = "information"
    """Around what the environment found."""
    answer: TagName = "answer"
    """Around the answer."""

    @property
    def all(self) -> tuple[str, str, str, str]:
        return self.think, self.search, self.information, self.answer

    @model_validator(mode="after")
    def _all_differ(self) -> "TagNames":
        if len({name.casefold() for name in self.all}) < len(self.all):
            raise ValueError(f"two of {', '.join(self.all)} are the same: give each tag a name of its own")
        return self


class ProtocolLimits(Identity):
    """Limits in place of those of the config's `agent`; null: the config's."""

    hits: Positive | None = None
    """Passages that one search returns, at most."""
    max_searches: Positive | None = None
    """Turns with searches, at most; the answer is one turn more."""
    max_turn_tokens: Positive | None = None
    """Tokens of one turn, at most."""
    max_information_tokens: Positive | None = None
    """Tokens that one search shows, tags included."""
    max_tokens: Positive | None = None
    """Tokens of message, turns and information together."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "ProtocolLimits":
        for name in ("max_turn_tokens", "max_information_tokens"):
            part = getattr(self, name)
            if part is not None and self.max_tokens is not None and part >= self.max_tokens:
                raise ValueError(f"{name} {part} leaves no room in max_tokens {self.max_tokens}: lower it")
        return self


class ProtocolSettings(Identity):
    """How a model is asked and answered: one user message, then turns whose tags are plain text."""

    name: str
    """The protocol's name, in labels, tables and report.json."""
    message: Annotated[str, Field(min_length=1)]
    """The one user message. {question} stands for the question."""
    chat_template: bool = True
    """Whether the message is put into the chat template of the model's tokenizer. A tokenizer without one, or false:
    the message is plain text."""
    question_mark: bool = False
    """Whether a question mark is appended to a question that does not end with one."""
    tags: TagNames = TagNames()
    """The names of the tags."""
    several_queries: bool = False
    """Whether each line of a search is a query; false: all of it is one query."""
    passage: str = "{title}: {text}"
    """How a passage is shown: {number} counts from 1, {title} and {text} are the passage's. Passages are separated by
    line breaks."""
    around_information: str = ""
    """Text before and after the tags of the information, such as line breaks."""
    correction: str | None = None
    """What the environment says after a turn without a search or an answer, which counts as a turn; null: such a turn
    ends the rollout."""
    limits: ProtocolLimits = ProtocolLimits()
    """Limits in place of those of the config's `agent`."""

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        refuse_name(name, "the name of a protocol")
        if name in _NOT_A_NAME:
            raise ValueError(f"{name!r} is a way or a retrieval: give the protocol another name")
        return name

    @field_validator("message")
    @classmethod
    def _has_one_question(cls, message: str) -> str:
        if message.count(QUESTION) != 1:
            raise ValueError(f"{QUESTION} must occur once, not {message.count(QUESTION)} times")
        return message.strip()

    @field_validator("passage")
    @classmethod
    def _shows_the_text(cls, passage: str) -> str:
        unknown = sorted(set(_PLACE.findall(passage)) - set(_PLACES))
        if unknown:
            raise ValueError(f"{unknown[0]} is not known: use {', '.join(_PLACES)}")
        if "{text}" not in passage:
            raise ValueError("it does not show {text}: the model could not read what was found")
        return passage

    @model_validator(mode="after")
    def _explains_its_own_tags(self) -> "ProtocolSettings":
        """A message may explain no tags to a model that has learnt them. It must not explain others than those read."""
        explained = {name for name in self.tags.all if f"<{name}>" in self.message}
        for role in ("search", "answer"):
            name = getattr(self.tags, role)
            if explained and name not in explained:
                raise ValueError(f"the message explains tags, but not <{name}>: correct the message, or tags.{role}")
        return self

    def limited(self, agent: AgentSettings) -> AgentSettings:
        """The agent's settings under this protocol's limits. The message stands in place of the instruction."""
        limits = self.limits.model_dump(exclude_none=True)
        return agent.model_copy(update={**limits, "instruction": ""})

    def shown(self, number: int, title: str, text: str) -> str:
        """A passage as the model reads it."""
        values = {"{number}": str(number), "{title}": title, "{text}": text}
        return _PLACE.sub(lambda place: values[place[0]], self.passage)


def read_protocol(path: str) -> ProtocolSettings:
    """The protocol in a YAML file.

    Raises:
        ValueError: there is no such file, or it is no protocol; the message is one line.
    """
    try:
        with open(local_path(path), encoding="utf-8") as file:
            document: Any = parsed(file.read())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file: check the path") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path}: not a protocol: its top level must be a mapping with name and message")
    try:
        return ProtocolSettings.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"{path}: {first_problem(error, document)}") from None

"""What stages need from outside the root: each need can be looked for, and says in one line what is missing.

`look` is cheap and starts nothing: a run looks before it starts anything. `ask` contacts a server: `masksearch doctor`
asks. Equal needs of several stages are looked for once.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from retrieval_index.encoder import refuse_long_texts
from schemas.corpus_settings import SetSettings
from schemas.errors import BadInput
from schemas.paths import scheme_of
from schemas.runtime import EndpointRuntime
from tasks.capacity.model_shape import ModelShape
from tasks.dumps.dumps import find_dump
from tasks.ledger import storage
from tasks.ledger.disk import of_trainings, refuse_no_room
from tasks.sets.registry import read_set

_WEIGHTS = (".safetensors", ".bin")


class Need(Protocol):
    def look(self) -> str | None:
        """What is there, in words; None where nothing is worth a line.

        Raises:
            BadInput: it is missing.
        """
        ...

    def __hash__(self) -> int: ...


class DumpThere(NamedTuple):
    path: str

    def look(self) -> str:
        storage.kind_of(self.path)  # raises where a store does not answer
        return f"dump: {find_dump(self.path).path}"


class FileSystem(NamedTuple):
    """Jobs need a root on a file system."""

    root: str

    def look(self) -> None:
        if scheme_of(self.root) is not None:
            raise BadInput(
                f"runtime.root {self.root}: the index, and all after it, is made by jobs, which need a file system"
            )


class Folder(NamedTuple):
    """A folder that holds one of these files."""

    setting: str
    path: str
    files: tuple[str, ...]
    what: str

    def look(self) -> str:
        if not Path(self.path).is_dir():
            raise BadInput(f"{self.setting} {self.path}: no such folder")
        if not any((Path(self.path) / file).is_file() for file in self.files):
            raise BadInput(f"{self.setting} {self.path}: no {' or '.join(self.files)} in it")
        return f"{self.what}: {self.path}"


class Encoder(NamedTuple):
    """The encoder of a dense index, which must read texts as long as the index has them."""

    path: str
    max_tokens: int

    def look(self) -> str:
        words = Folder("index.encoder.path", self.path, ("config.json",), "encoder").look()
        if not any(file.suffix in _WEIGHTS for file in Path(self.path).iterdir()):
            raise BadInput(f"index.encoder.path {self.path}: no weights in it")
        refuse_long_texts(self.path, self.max_tokens)
        return words


class RoomToTrain(NamedTuple):
    """Disk for the model and the checkpoints of one training."""

    root: str
    parameters: int
    checkpoints: int

    def look(self) -> None:
        if scheme_of(self.root) is None:
            needed = of_trainings(self.parameters, models=1, trainings=1, checkpoints=self.checkpoints)
            remedy = "free some, name another runtime.root, or lower runtime.keep_checkpoints"
            refuse_no_room(self.root, needed, f"a training of {self.parameters:,} parameters", remedy)


class LanguageModel(NamedTuple):
    """A folder with a language model and, besides its config, these files."""

    setting: str
    path: str
    what: str
    files: tuple[str, ...] = ()

    def look(self) -> str:
        words = Folder(self.setting, self.path, ("config.json",), self.what).look()
        try:
            ModelShape.read(self.path)
        except KeyError as missing:
            raise BadInput(
                f"{self.setting} {self.path}: its config.json does not tell {missing}: no language model"
            ) from None
        for file in self.files:
            Folder(self.setting, self.path, (file,), self.what).look()
        return words


class Heads(NamedTuple):
    """Numbers of heads that rotary positions and shared keys allow."""

    hidden: int
    heads: int
    key_value_heads: int

    def look(self) -> None:
        if self.hidden % self.heads or self.hidden // self.heads % 2:
            raise BadInput(
                f"model.heads {self.heads}: model.hidden ({self.hidden}) must be an even number of times as many"
            )
        if self.heads % self.key_value_heads:
            raise BadInput(
                f"model.key_value_heads {self.key_value_heads}: model.heads ({self.heads}) must be a multiple of it"
            )


class SpacyPipeline(NamedTuple):
    model: str

    def look(self) -> str:
        if importlib.util.find_spec("spacy") is None:
            raise BadInput("ramp.spans.kind spacy: spaCy is not installed; pip install spacy, or use links")
        is_installed = self.model.isidentifier() and importlib.util.find_spec(self.model) is not None
        if not is_installed and not Path(self.model).is_dir():
            raise BadInput(f"ramp.spans.model {self.model}: no such pipeline: install it or name a folder")
        return f"spaCy pipeline: {self.model}"


@dataclass(frozen=True)
class QuestionSets:
    sets: Sequence[SetSettings]

    def __hash__(self) -> int:
        return hash(tuple(settings.path for settings in self.sets))

    def look(self) -> str:
        missing = [settings.path for settings in self.sets if storage.kind_of(settings.path) is None]
        if missing:
            raise BadInput(f"ramp.leaks.sets: no such file: {', '.join(missing)}")
        for settings in self.sets:
            if next(read_set(settings), None) is None:
                raise BadInput(f"ramp.leaks.sets: {settings.path} holds nothing")
        return f"evaluation sets: {len(self.sets)}"


class ChatModel(NamedTuple):
    """A chat model behind an endpoint. A run does not ask it beforehand, for it may be started meanwhile."""

    setting: str
    """The setting of the runtime that names the endpoint."""
    model_setting: str
    who: str
    """The part of the config that asks it."""
    endpoint: EndpointRuntime | None
    model: str | None
    reads_key: bool
    """Whether the key is read on this machine: jobs of a cluster read it there."""

    def look(self) -> str:
        if self.endpoint is None:
            raise BadInput(f"{self.who} needs {self.setting}.url (an OpenAI-compatible address)")
        variable = self.endpoint.key_variable
        if variable is not None and not os.environ.get(variable) and self.reads_key:
            raise BadInput(f"{self.setting}: the environment variable {variable} holds no key")
        return f"{self.setting} names {self.endpoint.url}"

    def ask(self) -> None:
        """Whether the endpoint answers, takes the key, and knows the model.

        Raises:
            BadInput, RunFailed: it does not.
        """
        from tasks.requests.chat import ChatEndpoint, Whose

        if self.endpoint is not None:
            ChatEndpoint(self.endpoint, self.model, 0.0, whose=Whose(self.setting, self.model_setting))

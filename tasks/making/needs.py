"""What stages need from outside the root. Each need can be checked, and reports in one line what is missing.

`look` is cheap and starts nothing: a run calls it before it starts anything. `ask` contacts a server: only
`masksearch doctor` calls it. Equal needs of several stages are checked once.
"""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from retrieval_index.encoder import refuse_long_texts
from schemas.errors import BadInput
from schemas.paths import scheme_of
from schemas.runtime import EndpointRuntime
from schemas.set_settings import SetSettings
from tasks.agent.tokenizer import AgentTokenizer
from tasks.capacity.model_shape import ModelShape
from tasks.corpus.passage_files import find_files
from tasks.corpus.passage_records import layout_of
from tasks.dumps.dumps import find_dump
from tasks.ledger import storage
from tasks.ledger.disk import of_trainings, refuse_no_room
from tasks.sets.questions import read_questions
from tasks.sets.registry import read_set

_WEIGHTS = (".safetensors", ".bin")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


class Need(Protocol):
    def look(self) -> str | None:
        """A line that describes what was found; None if there is nothing to report.

        Raises:
            BadInput: what the stage needs is missing or unusable.
        """
        ...

    def __hash__(self) -> int: ...


class DumpThere(NamedTuple):
    path: str

    def look(self) -> str:
        storage.kind_of(self.path)  # raises if the store does not answer
        return f"dump: {find_dump(self.path).path}"


class CorpusThere(NamedTuple):
    path: str
    language: str

    def look(self) -> str:
        files = find_files(self.path)
        count = f"{len(files)} files" if len(files) > 1 else files[0].name
        return f"corpus: {count}, {layout_of(files[0])}, language {self.language} (by the snapshot's name)"


class FileSystem(NamedTuple):
    """Jobs need a root on a file system."""

    root: str

    def look(self) -> None:
        if scheme_of(self.root) is not None:
            raise BadInput(
                f"runtime.root {self.root}: the index and all later stages are built by jobs, which need a file "
                "system: give a folder that all machines of the jobs share"
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
    """The encoder of a dense index. It must accept texts of the length that the index uses."""

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
            remedy = "free disk space, set another runtime.root, or lower runtime.keep_checkpoints"
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
            raise BadInput(f"{self.setting} {self.path}: no language model: its config.json has no {missing}") from None
        for file in self.files:
            Folder(self.setting, self.path, (file,), self.what).look()
        return words


class PublishedModel(NamedTuple):
    """A published model that answers with its own tokenizer, in texts of up to ``longest`` tokens."""

    setting: str
    path: str
    longest: int
    needs_tags: bool
    """Whether it answers in the pipeline's own protocol, so that its tokenizer needs the tags."""
    in_chat: bool
    """Whether it is asked in the chat template of its tokenizer, if there is one."""

    def look(self) -> str:
        words = LanguageModel(self.setting, self.path, "published model", _TOKENIZER).look()
        shape, tokenizer = ModelShape.read(self.path), AgentTokenizer.load(self.path, needs_tags=False)
        if shape.longest < self.longest:
            raise BadInput(
                f"{self.setting} {self.path}: the model reads {shape.longest} tokens, and its answers may have "
                f"{self.longest}: lower agent.max_tokens, or limits.max_tokens of its protocol"
            )
        if self.needs_tags and not tokenizer.has_tags:
            raise BadInput(
                f"{self.setting} {self.path}: its tokenizer lacks tags of the pipeline's own protocol, in which way "
                "agent asks it: set way: prompt, or name the protocol that it was trained in"
            )
        return words


class Heads(NamedTuple):
    """Numbers of heads that fit the hidden size: rotary positions need even heads, shared keys need whole groups."""

    hidden: int
    heads: int
    key_value_heads: int

    def look(self) -> None:
        if self.hidden % self.heads or self.hidden // self.heads % 2:
            raise BadInput(
                f"model.heads {self.heads}: model.hidden ({self.hidden}) must be an even multiple of model.heads"
            )
        if self.heads % self.key_value_heads:
            raise BadInput(
                f"model.key_value_heads {self.key_value_heads}: model.heads ({self.heads}) must be a multiple of it"
            )


class SpacyPipeline(NamedTuple):
    model: str

    def look(self) -> str:
        if importlib.util.find_spec("spacy") is None:
            raise BadInput("ramp.spans.kind spacy: spaCy is not installed: pip install spacy, or use kind links")
        is_installed = self.model.isidentifier() and importlib.util.find_spec(self.model) is not None
        if not is_installed and not Path(self.model).is_dir():
            raise BadInput(f"ramp.spans.model {self.model}: no such spaCy pipeline: install it, or give its folder")
        return f"spaCy pipeline: {self.model}"


@dataclass(frozen=True)
class QuestionSet:
    """The file of one set, of which the first record must be a question."""

    setting: str
    settings: SetSettings

    def __hash__(self) -> int:
        return hash((self.setting, self.settings.path))

    def look(self) -> str:
        path = self.settings.path
        if storage.kind_of(path) is None:
            raise BadInput(f"{self.setting}.path {path}: no such file: check the path")
        if next(read_questions(self.settings), None) is None:
            raise BadInput(f"{self.setting}.path {path}: the file has no records: give a file with questions")
        return f"question set: {path}"


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
                raise BadInput(
                    f"ramp.leaks.sets: {settings.path} is empty: give a file with questions, or remove it from the list"
                )
        return f"evaluation sets: {len(self.sets)}"


class ChatModel(NamedTuple):
    """A chat model behind an endpoint. A run does not contact it beforehand, because it may be started later."""

    setting: str
    """The setting of the runtime with the endpoint's address."""
    model_setting: str
    who: str
    """The section or setting of the config that uses the model."""
    endpoint: EndpointRuntime | None
    model: str | None
    reads_key: bool
    """Whether this machine reads the key; if not, the jobs' cluster does."""

    def look(self) -> str:
        if self.endpoint is None:
            raise BadInput(f"{self.who} needs {self.setting}.url: set it to an OpenAI-compatible address")
        variable = self.endpoint.key_variable
        if variable is not None and not os.environ.get(variable) and self.reads_key:
            raise BadInput(f"{self.setting}: the environment variable {variable} is not set: put the key in")
        return f"{self.setting}: {self.endpoint.url}"

    def ask(self) -> None:
        """Check that the endpoint answers, accepts the key, and serves the model.

        Raises:
            BadInput, RunFailed: one of these fails.
        """
        from tasks.requests.chat import ChatEndpoint, Whose

        if self.endpoint is not None:
            ChatEndpoint(self.endpoint, self.model, 0.0, whose=Whose(self.setting, self.model_setting))

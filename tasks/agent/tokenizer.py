"""The tokenizer of the agent: text to ids and back, with every tag of the protocol as one id.

`train_tokenizer` makes a small BPE for a model that is trained from random weights. `adopt_tokenizer` takes the
tokenizer of a published model and adds the tags. Both are saved as a folder that `transformers.AutoTokenizer` loads.

A trained tokenizer is designed for copying names. A word has the same pieces everywhere, because every run of text (at
the start, after a tag, after a line break) gets a leading space. Numbers are cut into pairs of digits from the left.
Unknown characters are encoded as bytes. Decoding returns the encoded text with two exceptions: one space directly after
a tag or a line break, or at the start, is lost, and U+2581 becomes a space.

A control token of an adopted tokenizer (``</s>``, ``<|im_end|>``) within a text is encoded as plain characters, so that
a passage cannot end a turn; only the tags of the protocol and the mask are tokens there. Tokens that an adopted
tokenizer adds before every text are added only at the beginning of a sequence (`begin`). Tokens that it adds after a
text are never added, because the model always continues the text that it reads.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from retrieval_index.literal import literal, opening_of
from schemas.errors import BadInput
from schemas.manifest import digest_of
from tasks.agent.protocol import EOS, MASK, PAD, TAGS

_SPACE = "▁"
_OWN = (PAD, EOS, *TAGS, "\n")
"""The tokens that are added to a trained tokenizer. Text from outside never contains them (protocol.neutralise)."""
_ROLES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")
_TEMPLATE_FILE = "chat_template.jinja"
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_WHOLE = [MASK, _SPACE + MASK]
# A mask, up to two digits, a word, any other character; each with the space before it. The mask comes first, since
# its brackets and its word would match below.
_PIECES = r"▁?\[mask\]|▁?\p{N}{1,2}|▁?\p{L}[\p{L}\p{M}]*|▁?[^▁\p{L}\p{N}]|▁"


class AgentTokenizer:
    """Encodes and decodes text. Immutable after construction, and safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, config: dict[str, Any], ends: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._config = config
        self._added = {index: token.content for index, token in tokenizer.get_added_tokens_decoder().items()}
        self._is_own = set(_OWN).issuperset(self._added.values())
        self._literal = tokenizer if self._is_own else literal(tokenizer, markup=(*TAGS, MASK))
        self.eos_id = self._named("eos_token")
        self.pad_id = self._named("pad_token", otherwise=self.eos_id)
        self.ends = tuple(dict.fromkeys([self.eos_id, *ends]))
        """The ids with which a published model may end its turn: `eos_id`, and those of its generation_config.json."""
        self.opening = opening_of(tokenizer)
        """The ids at the beginning of every sequence that a model reads; empty for a trained tokenizer."""

    @classmethod
    def load(cls, folder: str, *, needs_tags: bool = True) -> "AgentTokenizer":
        """Load a tokenizer from a folder written by `save`, or, without ``needs_tags``, from a published model's.

        Raises:
            BadInput: the folder has no tokenizer, or none with the protocol's tags.
        """
        try:
            tokenizer = Tokenizer.from_str((Path(folder) / "tokenizer.json").read_text(encoding="utf-8"))
            config = json.loads((Path(folder) / "tokenizer_config.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadInput(f"{folder}: no tokenizer: {error.filename} is missing") from None
        missing = [tag for tag in TAGS if tokenizer.token_to_id(tag) is None]
        if missing and needs_tags:
            raise BadInput(
                f"{folder}: a tokenizer without the tag {missing[0]}; add the protocol's tags with adopt_tokenizer"
            )
        template = Path(folder) / _TEMPLATE_FILE
        if template.is_file():
            config["chat_template"] = template.read_text(encoding="utf-8")
        return cls(tokenizer, config, _ends_in(folder))

    def save(self, folder: str) -> None:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / "tokenizer.json").write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")
        (path / "tokenizer_config.json").write_text(json.dumps(self._config, indent=2, ensure_ascii=False), "utf-8")

    @property
    def published(self) -> Tokenizer:
        """The tokenizer itself, in which the strings of control tokens are control tokens. It must not be changed."""
        return self._tokenizer

    @property
    def has_tags(self) -> bool:
        """Whether every tag of the pipeline's own protocol is one token."""
        return all(self._tokenizer.token_to_id(tag) is not None for tag in TAGS)

    @property
    def roles(self) -> dict[str, str]:
        """The control tokens by their roles, such as ``bos_token``, for chat templates."""
        named = ((role, self._config.get(role)) for role in _ROLES)
        contents = ((role, token.get("content") if isinstance(token, dict) else token) for role, token in named)
        return {role: content for role, content in contents if content}

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of the model's chats; None if it has none.

        Raises:
            BadInput: the folder was written before templates were kept, so that nobody knows.
        """
        if "chat_template" not in self._config and self.has_tags and not self._is_own:
            raise BadInput(
                "the tokenizer was adopted by an earlier version, which did not keep the model's chat template: give "
                "the stage another label (labels: {tokenizer: v2}) or use another root"
            )
        template = self._config.get("chat_template")
        if isinstance(template, list):  # templates for several uses, of which one is the default
            template = next((each["template"] for each in template if each.get("name") == "default"), None)
        return template

    @property
    def vocabulary(self) -> int:
        """All ids are below this number: the minimum number of rows of a model's embedding."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def digest(self) -> str:
        """The digest of the vocabulary: which token each id stands for."""
        return digest_of(self._tokenizer.get_vocab(with_added_tokens=True))

    def refuse_other_ids(self, folder: str) -> None:
        """Raises BadInput if a model's folder has its own tokenizer, and ids of it stand for different tokens."""
        path = Path(folder) / "tokenizer.json"
        if not path.is_file():
            return
        ids, theirs = self._tokenizer.get_vocab(with_added_tokens=True), Tokenizer.from_file(str(path))
        for token, index in theirs.get_vocab(with_added_tokens=True).items():
            if ids.get(token) != index:
                raise BadInput(
                    f"{folder}: the model's own tokenizer has the id {index} for {token!r}, the configured one has "
                    f"{ids.get(token, 'no such token')}: set tokenizer.path to the model's own tokenizer"
                )

    def encode(self, text: str) -> list[int]:
        """Ids of a text within a sequence.

        Tags become their ids, so text from outside is neutralised first (protocol.neutralise). No text is ever encoded
        as a control token of an adopted tokenizer.
        """
        return self._literal.encode(text, add_special_tokens=False).ids

    def begin(self, text: str) -> list[int]:
        """Ids of the text at the beginning of a sequence: `opening`, then the ids of `encode`."""
        return [*self.opening, *self.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of any ids, including tags. Ids that form no complete character become U+FFFD."""
        parts: list[str] = []
        run: list[int] = []
        for index in ids:
            if index in self._added:
                parts += [self._text_of(run), self._added[index]]
                run = []
            else:
                run.append(index)
        return "".join([*parts, self._text_of(run)])

    def tag_id(self, tag: str) -> int:
        """The id of a tag of the protocol, or of any other token by its text."""
        index = self._tokenizer.token_to_id(tag)
        if index is None:
            raise KeyError(f"{tag!r} is not a single token of this tokenizer")
        return index

    def _text_of(self, run: list[int]) -> str:
        return self._tokenizer.decode(run, skip_special_tokens=False) if run else ""

    def _named(self, role: str, otherwise: int | None = None) -> int:
        token = self._config.get(role)
        content = token.get("content") if isinstance(token, dict) else token
        index = self._tokenizer.token_to_id(content) if content else otherwise
        if index is None:
            raise BadInput(f"tokenizer_config.json names no {role}, or one that the tokenizer lacks: add it there")
        return index


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> AgentTokenizer:
    """A BPE tokenizer of at most ``vocabulary`` ids, bytes and tags included, trained on these texts."""
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always", split=False),
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
        ]
    )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = splitter
    size = vocabulary - len(_OWN) - len(_BYTES) - len(_WHOLE)
    lines = (line.replace(MASK, " ") for text in texts for line in text.split("\n"))
    learner.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    learned = json.loads(learner.to_str())["model"]
    pieces = [*_BYTES, *_WHOLE, *sorted(learned["vocab"], key=learned["vocab"].get)]
    model = models.BPE(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=[tuple(merge) for merge in learned["merges"]],
        byte_fallback=True,
        ignore_merges=True,  # a mask is one piece, although no merges produce it
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (PAD, EOS, *TAGS)])
    tokenizer.add_tokens([AddedToken("\n", normalized=False)])
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": PAD, "eos_token": EOS}
    return AgentTokenizer(tokenizer, {**config, "clean_up_tokenization_spaces": False})


def adopt_tokenizer(path: str) -> AgentTokenizer:
    """The tokenizer of a model's folder, with each of the protocol's tags and the mask added as one token.

    Raises:
        BadInput: the folder has no tokenizer with a fast (tokenizer.json) form.
    """
    from transformers import AutoTokenizer

    try:
        published = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no tokenizer that loads: {' '.join(str(error).split())[:200]}") from None
    tags = [AddedToken(tag, normalized=False, special=True) for tag in TAGS]
    published.add_tokens(tags, special_tokens=True)
    published.add_tokens([AddedToken(MASK, normalized=False)])
    folder = tempfile.mkdtemp()
    try:
        published.save_pretrained(folder)
        adopted = AgentTokenizer.load(folder)
        adopted._config.setdefault("chat_template", None)
        return adopted
    finally:
        shutil.rmtree(folder)


def _ends_in(folder: str) -> list[int]:
    """The ids that a published model's generation_config.json names as ends of a turn."""
    path = Path(folder) / "generation_config.json"
    if not path.is_file():
        return []
    named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    return named if isinstance(named, list) else [] if named is None else [named]

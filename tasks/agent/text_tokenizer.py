"""The tokenizer of a model for which a protocol's tags are plain text, as published models read and write them.

A message is put into the chat template of the tokenizer. The template's control tokens are control tokens, and the
same strings within the message are plain characters; text and template are encoded in one piece, as published.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

from retrieval_index.literal import literal_with_names
from schemas.errors import BadInput
from tasks.agent.tokenizer import AgentTokenizer

_DAY = date(2024, 7, 26)
"""What a template is told of today, so that a question is asked alike on every day. Llama's templates have this day
where they know of no clock."""


class TextTokenizer:
    """Encodes and decodes text with these tags.

    A tag that is a token of a published tokenizer stays this token. The tokens that this pipeline added for its own
    tags are not used: a model that was not trained in them does not know them.
    """

    def __init__(self, tokenizer: AgentTokenizer, tags: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        markup = () if tokenizer.has_tags else tags
        self._literal, self._names = literal_with_names(tokenizer.published, markup)
        self.ends = tokenizer.ends
        """The ids with which the model itself ends its turn."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text within a sequence, in which no string is a control token."""
        return self._literal.encode(text, add_special_tokens=False).ids

    def begin(self, message: str, in_chat: bool) -> tuple[str, list[int]]:
        """The text and the ids with which a model is asked; the model's turn comes next.

        Args:
            in_chat: whether the message is put into the tokenizer's chat template, if there is one.

        Raises:
            BadInput: the template cannot be rendered.
        """
        frame = frame_of(self._tokenizer) if in_chat else None
        if frame is None:
            return message, [*self._tokenizer.opening, *self.encode(message)]
        before, after = frame
        return before + message + after, self.encode(self._secret(before) + message + self._secret(after))

    def decode(self, ids: Iterable[int]) -> str:
        return self._tokenizer.decode(ids)

    def ids_that_end(self, tags: Sequence[str]) -> tuple[int, ...]:
        """The ids of all tokens after which a text may end with, or contain, one of these tags for the first time.

        A tag as plain text is several tokens, and its last character may be in a token with others (``>.``). So an
        engine stops at each of these tokens, and the caller looks at the text.
        """
        vocabulary = self._tokenizer.published.get_vocab(with_added_tokens=True)
        last = tuple(dict.fromkeys(tag[-1] for tag in tags))
        candidates = (index for piece, index in vocabulary.items() if any(letter in piece for letter in last))
        return tuple(sorted(index for index in candidates if _may_end(self.decode([index]), tags)))

    def _secret(self, text: str) -> str:
        """The text with the names under which `_literal` knows the control tokens."""
        if not self._names:
            return text
        longest_first = sorted(self._names, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda found: self._names[found[0]], text)


def _may_end(piece: str, tags: Sequence[str]) -> bool:
    """Whether a token with this text may complete a tag: it contains the tag, or an end of the tag begins it."""
    return any(tag in piece or piece.startswith(tag[at:]) for tag in tags for at in range(len(tag)))


@lru_cache(maxsize=8)
def frame_of(tokenizer: AgentTokenizer) -> tuple[str, str] | None:
    """The texts of a chat template before and after the one user message, up to where the model's turn begins.

    None for a tokenizer without a template.

    Raises:
        BadInput: the template cannot be rendered, or does not show the message.
    """
    template = tokenizer.chat_template
    if template is None:
        return None
    from transformers import PreTrainedTokenizerFast

    renderer = PreTrainedTokenizerFast(tokenizer_object=tokenizer.published, chat_template=template, **tokenizer.roles)
    mark = secrets.token_hex(16)
    message = [{"role": "user", "content": mark}]
    try:
        rendered = str(
            renderer.apply_chat_template(
                message, tokenize=False, add_generation_prompt=True, strftime_now=_DAY.strftime
            )
        )
    except Exception as error:  # a template is a program, and may raise anything
        raise BadInput(
            f"the tokenizer's chat template cannot be rendered: {error}; use a protocol without it"
        ) from None
    before, found, after = rendered.partition(mark)
    if not found or mark in after:
        raise BadInput("the tokenizer's chat template does not show the user's message once: use a protocol without it")
    return before, after

"""Tokenizers that read every string as plain text, so that no passage or question can control a model.

A published tokenizer turns the string ``</s>`` or ``<|im_end|>`` into a control token wherever it occurs. That is right
for a prompt that a program wrote, and wrong for a passage of an encyclopedia.
"""

import json
import re
import secrets
from collections.abc import Collection
from typing import Any

from tokenizers import Tokenizer

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A token for one byte of a character outside the vocabulary; the tokenizer looks it up by exactly this name."""


def literal(tokenizer: Tokenizer, markup: Collection[str] = ()) -> Tokenizer:
    """A copy in which no string encodes to a control token. Ids and the tokens around a text stay the same.

    A control token is an added token that is special or that contains anything other than words and white space;
    added runs of spaces and technical words are text. Byte tokens (``<0x0A>``) are text as well, and the tokens in
    ``markup`` keep their meaning. The copy neither truncates nor pads.
    """
    return literal_with_names(tokenizer, markup)[0]


def literal_with_names(tokenizer: Tokenizer, markup: Collection[str] = ()) -> tuple[Tokenizer, dict[str, str]]:
    """As `literal`, with the secret name by which a program can still write each control token."""
    described = json.loads(tokenizer.to_str())
    described["truncation"] = described["padding"] = None
    # A renamed token keeps its id. If it were removed, other ids would move; if it stayed an ordinary piece of the
    # vocabulary, its string could still encode to it. No text can contain a random name.
    names: dict[str, str] = {}
    for token in described["added_tokens"]:
        content = token["content"]
        if content not in markup and not _BYTE.fullmatch(content) and (token["special"] or not _is_text(content)):
            token["content"] = names.setdefault(content, f"\uffff{secrets.token_hex(8)}")
    _rename(described["model"], names)
    return Tokenizer.from_str(json.dumps(described)), names


def opening_of(tokenizer: Tokenizer) -> list[int]:
    """The ids that a tokenizer puts before the text of every sequence: a beginning-of-sequence token, or nothing."""
    encoding = tokenizer.encode("a")
    opening = []
    for index, sequence in zip(encoding.ids, encoding.sequence_ids, strict=True):
        if sequence is not None:
            break
        opening.append(index)
    return opening


def _is_text(content: str) -> bool:
    return all(letter.isalnum() or letter.isspace() or letter == "▁" for letter in content)


def _rename(model: dict[str, Any], names: dict[str, str]) -> None:
    """Rename pieces of a model's vocabulary wherever its description contains them."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # a unigram model lists pieces with scores, in the order of their ids
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    else:
        for piece in names.keys() & vocabulary.keys():
            vocabulary[names[piece]] = vocabulary.pop(piece)
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        model["merges"] = [pair for pair in model["merges"] if names.keys().isdisjoint(_pieces_of(pair))]


def _pieces_of(merge: str | list[str]) -> tuple[str, str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right

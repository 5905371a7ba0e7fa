"""The surprisal of a span: how hard it is to fill in for a reference model that cannot search.

**Definition.** The model reads the paragraph with only this span masked (below the page's title if questions show it),
a line break, and the paragraph's beginning up to the span. The surprisal of the span is -ln of the probability that the
model then writes the span: the sum, in nats, of -ln p over the tokens that hold the span's characters, each given all
tokens before it, at temperature 1. The model therefore sees the paragraph on both sides of the span. The **difficulty**
of a question is the mean of its masks' surprisals. It is a lower bound, because each span is weighed alone, with the
other masked spans visible.

The model **knows** a span if each of these tokens is its likeliest: then greedy decoding writes the span.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokenizers import Tokenizer

from retrieval_index.literal import opening_of
from schemas.records import Passage, Surprisal
from tasks.engines.interface import TokenScores
from tasks.ledger import storage
from tasks.ramp.masking import mask
from tasks.spans.spans import Span


class Text(NamedTuple):
    """The input of the reference model for one span: token ids, and the positions of the span's tokens."""

    token_ids: list[int]
    of_span: list[int]


def text_of(passage: Passage, span: Span, show_title: bool, tokenizer: Tokenizer) -> Text:
    """The text of the definition, cut behind the span, and the positions of the span's tokens.

    It has the tokenizer's opening tokens but not its closing tokens, because the paragraph would go on behind the span.
    ``tokenizer`` reads control tokens as text (`retrieval_index.literal`).
    """
    head = f"{passage.title}\n" if show_title else ""
    before = f"{head}{mask(passage.text, [span])}\n{passage.text[: span.start]}"
    opening, encoded = opening_of(tokenizer), tokenizer.encode(before + span.surface, add_special_tokens=False)
    offsets = enumerate(encoded.offsets, start=len(opening))
    positions = [n for n, (start, end) in offsets if end > len(before) and end > start]
    return Text([*opening, *encoded.ids], positions)


def weighed(passage: Passage, span: Span, text: Text, scores: TokenScores) -> Surprisal:
    """The surprisal of a span; ``scores`` are those of the text's tokens except the first."""
    return Surprisal(
        snapshot=passage.snapshot,
        passage_id=passage.passage_id,
        start=span.start,
        end=span.end,
        surface=span.surface,
        nats=-sum(scores.logprobs[position - 1] for position in text.of_span),
        n_tokens=len(text.of_span),
        known=all(scores.ranks[position - 1] == 1 for position in text.of_span),
    )


def read_surprisals(paths: Iterable[str]) -> dict[str, list[Surprisal]]:
    """The surprisals of these files by passage id."""
    found: dict[str, list[Surprisal]] = {}
    for path in paths:
        for row in storage.read_rows(path, Surprisal):
            found.setdefault(row.passage_id, []).append(row)
    return found


def difficulty_of(nats: Sequence[float | None]) -> float | None:
    """The mean surprisal of a question's masks; None if a mask was not weighed."""
    known = [value for value in nats if value is not None]
    return sum(known) / len(known) if known and len(known) == len(nats) else None

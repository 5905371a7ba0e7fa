"""`masksearch show`: the records of a Parquet file of the pipeline, formatted for a terminal or as JSON lines."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.arrow import arrow_schema
from schemas.errors import BadInput
from schemas.records import (
    Alias,
    Answer,
    Author,
    LeakGram,
    Link,
    Mask,
    Page,
    Passage,
    Proposals,
    Question,
    Record,
    Redirect,
    Reject,
    Search,
    Surprisal,
    Trajectory,
    VerdictStatus,
)
from tasks.ledger import storage
from tasks.report.conversation import conversation

_MOST_CHARACTERS = 2_000
_MASK_STYLE = "bold black on yellow"
_SPEECH_STYLES = {
    "prompt": "",
    "think": "italic",
    "search": "cyan",
    "information": "dim",
    "answer": "bold",
    "stray": "red",
}


def show(path: str, limit: int, as_json: bool, console: Console) -> None:
    """Print the first ``limit`` records of a Parquet file, or of the parts in a stage's folder.

    Raises:
        BadInput: the path does not exist, or has no records of the pipeline.
    """
    files = _files(path)
    model = _model_of(files[0])
    rows = list(islice(chain.from_iterable(storage.read_rows(file, model) for file in files), limit))
    if as_json:
        for row in rows:
            console.out(row.model_dump_json(), highlight=False)
    elif rows:
        console.print(Group(*_rendered(model, rows)))
    else:
        console.print(f"{path}: no rows")


def _files(path: str) -> list[str]:
    if storage.kind_of(path) is None:
        raise BadInput(f"{path}: no such file or folder")
    if path.endswith(".parquet"):
        return [path]
    names = [name for name in storage.names_in(path) if name.startswith("part-") and name.endswith(".parquet")]
    parts = [storage.join(path, name) for name in names]
    if not parts:
        raise BadInput(f"{path}: no Parquet of a stage here: give a file, or a folder such as …/questions/v1")
    return parts


def _model_of(path: str) -> type[Record]:
    try:
        with storage.opened(path) as file:
            names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError):  # the schema is in the file's footer: a truncated file fails as well
        raise BadInput(f"{path}: not a Parquet file, or a damaged one") from None
    for model in _RENDERERS:
        if _is_table_of(model, names):
            return model
    raise BadInput(f"{path}: its columns ({', '.join(names)}) match no record of the pipeline: give a stage's file")


def _is_table_of(model: type[Record], names: list[str]) -> bool:
    """Whether a file has the columns of a record. An older file may lack the last ones, which have defaults."""
    of_model = arrow_schema(model).names
    required = sum(field.is_required() for field in model.model_fields.values())
    return len(names) >= required and names == of_model[: len(names)]


def _rendered(model: type[Record], rows: list[Any]) -> Iterator[RenderableType]:
    render = _RENDERERS[model]
    if render is not None:
        yield from (render(row) for row in rows)
        return
    table = Table(*(name for name in model.model_fields if name != "snapshot"), title=model.__name__)
    for row in rows:
        values = row.model_dump(exclude={"snapshot"}).values()
        table.add_row(*(Text(", ".join(value) if isinstance(value, list) else str(value)) for value in values))
    yield table


def _panel(title: str, facts: Mapping[str, object], *body: RenderableType) -> Panel:
    line = Text(" · ".join(f"{name} {value}" for name, value in facts.items() if value not in (None, "", [])), "dim")
    return Panel(Group(line, *body), title=Text(title), title_align="left")


def _prose(text: str, links: list[Link]) -> Text:
    """The text with links underlined; a very long text is cut, and the number of hidden characters is shown."""
    shown = Text(text)
    for link in links:
        shown.stylize("underline", link.start, link.end)
    if len(text) <= _MOST_CHARACTERS:
        return shown
    return shown[:_MOST_CHARACTERS].append(f" … {len(text) - _MOST_CHARACTERS:,} more characters", "dim")


def _page(page: Page) -> Panel:
    facts = {
        "page": page.page_id,
        "revision": page.revision_id,
        "characters": f"{page.n_chars:,}",
        "links": len(page.links),
        "redirects": ", ".join(page.redirects),
        "lost": ", ".join(f"{lost.reason} at {lost.start}" for lost in page.lost[:5]),
    }
    return _panel(page.title, facts, _prose(page.text, page.links))


def _passage(passage: Passage) -> Panel:
    facts = {"passage": passage.passage_id, "section": passage.section, "words": passage.n_words}
    return _panel(passage.title, facts, _prose(passage.text, passage.links))


def _proposals(proposals: Proposals) -> Panel:
    table = Table("span", "kind", box=None, header_style="dim")
    for span in proposals.spans:
        table.add_row(Text(span.surface), span.kind)
    for refused in proposals.refused:
        table.add_row(Text(refused.surface, "red"), f"refused: {refused.reason}")
    return _panel(proposals.passage_id, {}, table)


def _question(question: Question) -> Panel:
    facts = {
        "kind": question.kind,
        "split": question.split,
        "passage": question.passage_id,
        "masks": question.n_masks,
        "hops": question.hops,
        "strategy": question.strategy,
        "changed": question.change and f"from {question.change.old} ({question.change.old_snapshot})",
        "difficulty": None if question.difficulty is None else f"{question.difficulty:.1f} nats",
    }
    if not question.masks:
        asked = [
            f"{gold} {aliases or ''}".strip() for gold, aliases in zip(question.gold, question.aliases, strict=True)
        ]
        gold = Text("gold: " + "; ".join(asked), "bold")
        return _panel(question.question_id, facts, Text(question.prompt), gold)
    text = Text(question.text or "")
    for mask in question.masks:
        text.stylize(_mask_style(mask), mask.start, mask.end)
    table = Table("mask", "kind", "facts", "evidence", box=None, header_style="dim")
    for mask in question.masks:
        table.add_row(Text(mask.surface, _mask_style(mask)), mask.kind, Text(_facts(mask)), Text(_evidence(mask)))
    return _panel(f"{question.question_id} · {question.title}", facts, text, Text(), table)


def _mask_style(mask: Mask) -> str:
    """Green with evidence, yellow without, red if the answer is given away."""
    if mask.given_away:
        return "bold white on red"
    return "bold black on green" if mask.evidence else _MASK_STYLE


def _facts(mask: Mask) -> str:
    facts = [
        f"links to {mask.target}" if mask.target else "",
        f"also {', '.join(mask.aliases[:4])}" if mask.aliases else "",
        "" if mask.surprisal is None else f"{mask.surprisal:.1f} nats",
        f"given away: {', '.join(mask.given_away)}" if mask.given_away else "",
    ]
    return " · ".join(filter(None, facts))


def _evidence(mask: Mask) -> str:
    evidence = mask.evidence
    if evidence is None:
        return "none found"
    hops = f"{evidence.hops} hop{'s' * (evidence.hops > 1)}"
    return f"{evidence.passage_id}, {hops}, rank {evidence.rank}: {' → '.join(evidence.queries)}"


def _trajectory(trajectory: Trajectory) -> Panel:
    verdict = trajectory.verdict
    facts = {
        "teacher": trajectory.teacher,
        "model": trajectory.model,
        "masks": trajectory.n_masks,
        "searches": len(trajectory.searches),
        "tokens": trajectory.n_tokens,
        "ended": trajectory.end_reason,
        "verdict": f"{verdict.status} (recall {verdict.recall:.2f})" if verdict else None,
    }
    table = Table.grid(padding=(0, 2))
    for speech in conversation(trajectory.segments):
        speaker = Text(speech.kind, "bold" if speech.author == Author.MODEL else "dim", justify="right")
        table.add_row(speaker, _highlighted(Text(speech.text, _SPEECH_STYLES[speech.kind])))
    panel = _panel(trajectory.trajectory_id, facts, Text(), table)
    if verdict:
        panel.border_style = "green" if verdict.status == VerdictStatus.CORRECT else "red"
    return panel


def _answer(answer: Answer) -> Panel:
    facts = {
        "model": answer.model,
        "way": answer.way,
        "protocol": answer.protocol,
        "retrieval": answer.retrieval,
        "decoding": answer.decoding,
        "recall": f"{answer.recall:.2f}",
        "f1": f"{answer.f1:.2f}",
        "exact": f"{answer.exact:.2f}",
        "support": None if answer.support_recall is None else f"{answer.support_recall:.2f}",
        "tokens": answer.n_tokens,
        "ended": answer.end_reason,
    }
    table = Table.grid(padding=(0, 2))
    for search in answer.searches:
        table.add_row(Text("search", "dim"), Text(_search_line(search), "cyan"))
    table.add_row(Text("gold", "dim"), Text("; ".join(answer.gold)))
    table.add_row(Text("answer", "bold"), _highlighted(Text(answer.answer or "none")))
    return _panel(answer.question_id, facts, table)


def _search_line(search: Search) -> str:
    return f"{' | '.join(search.queries)}  →  {', '.join(search.passage_ids) or search.outcome}"


def _highlighted(text: Text) -> Text:
    text.highlight_words(["[mask]"], _MASK_STYLE)
    return text


_RENDERERS: dict[type[Record], Callable[[Any], RenderableType] | None] = {
    Page: _page,
    Passage: _passage,
    Question: _question,
    Trajectory: _trajectory,
    Answer: _answer,
    Reject: None,
    Surprisal: None,
    LeakGram: None,
    Proposals: _proposals,
    Redirect: None,
    Alias: None,
}
"""The renderer of each kind of record; with None the records become rows of one table."""

"""Examples to read: for every teacher and every model one correct and one incorrect result.

Trajectories are shown turn by turn. An evaluation stores only answers and searches, so passages are looked up by id.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.records import Answer, Author, Passage, Question, Record, Trajectory, VerdictStatus
from tasks.agent.scoring import score_masks
from tasks.evaluation.scores import Side
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.conversation import Piece, Speech, conversation, pieces
from tasks.report.summary import contestant

MOST_READ = 2_000
"""The most rows of one label that are searched for examples."""

Row = TypeVar("Row", bound=Record)
Result = TypeVar("Result", Trajectory, Answer)


@dataclass(frozen=True)
class MaskLine:
    """One mask of an example. ``written`` is None if the answer's text for this mask could not be located."""

    gold: str
    written: str | None
    recall: float


@dataclass(frozen=True)
class Example:
    """``source`` is a label or a model; ``outcome`` the verdict in a word; ``prompt`` the masked paragraph."""

    source: str
    outcome: str
    is_right: bool
    title: str
    prompt: list[Piece]
    speeches: list[Speech]
    masks: list[MaskLine]


def read_examples(ledger: Ledger, labels: Sequence[str], answers: Sequence[Answer]) -> list[Example]:
    """Up to two examples of every label of trajectories, then up to two of every model."""
    trajectories = [row for label in labels for row in _two(first_trajectories(ledger, label), _is_correct)]
    chosen = [row for rows in _by_contestant(answers) for row in _two(rows, lambda row: row.recall == 1)]
    asked = [row.question_id for row in trajectories] + [row.question_id for row in chosen]
    questions = _found(ledger, "questions", Question, "question_id", asked)
    wanted = [passage_id for row in chosen for search in row.searches for passage_id in search.passage_ids]
    passages = _found(ledger, "passages", Passage, "passage_id", wanted)
    taught = [_of_trajectory(row, questions[row.question_id]) for row in trajectories if row.question_id in questions]
    return taught + [
        _of_answer(row, questions[row.question_id], passages) for row in chosen if row.question_id in questions
    ]


def first_trajectories(ledger: Ledger, label: str) -> list[Trajectory]:
    """The first rows of a label, at most `MOST_READ`."""
    paths = ledger.data_paths("trajectories", label)
    return list(islice(chain.from_iterable(storage.read_rows(path, Trajectory) for path in paths), MOST_READ))


def _is_correct(row: Trajectory) -> bool:
    return row.verdict is not None and row.verdict.status == VerdictStatus.CORRECT


def _by_contestant(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Greedy answers of agents with live search, by set, model and protocol in the order of the answers."""
    chosen: dict[tuple[str | None, ...], list[Answer]] = {}
    for row in answers:
        if row.way in ("agent", "prompt") and (row.retrieval, row.decoding) == ("live", "greedy"):
            chosen.setdefault((row.set, row.model, row.way, row.protocol), []).append(row)
    return list(chosen.values())


def _two(rows: list[Result], is_right: Callable[[Result], bool]) -> list[Result]:
    """One correct and one incorrect row, with about two masks or hops: such examples are short but not trivial."""
    ordered = sorted(rows, key=lambda row: (abs(row.level - 2), row.question_id))
    found = [next((row for row in ordered if is_right(row) is right), None) for right in (True, False)]
    return [row for row in found if row is not None]


def _found(ledger: Ledger, stage: str, model: type[Row], column: str, wanted: Iterable[str]) -> dict[str, Row]:
    """Rows of a stage by their key; stops reading parts once all are found."""
    missing = set(wanted)
    found: dict[str, Row] = {}
    labels = [manifest.recipe.label for manifest in ledger.manifests() if manifest.recipe.stage == stage]
    for path in (path for label in labels for path in ledger.data_paths(stage, label)):
        if not missing:
            break
        table = storage.read_table(path)
        for row in table.filter(pc.is_in(table[column], pa.array(sorted(missing)))).to_pylist():
            found[row[column]] = model.model_validate(row)
        missing -= found.keys()
    return found


def _of_trajectory(row: Trajectory, question: Question) -> Example:
    verdict = str(row.verdict.status) if row.verdict else str(row.end_reason)
    speeches = [speech for speech in conversation(row.segments) if speech.author != Author.PROMPT]
    return _example(row.label, verdict, _is_correct(row), question, row.answer, speeches)


def _of_answer(row: Answer, question: Question, passages: dict[str, Passage]) -> Example:
    speeches = []
    for search in row.searches:
        shown = [passages[passage_id] for passage_id in search.passage_ids if passage_id in passages]
        lines = [f"{passage.title}: {passage.text}" for passage in shown] or [str(search.outcome)]
        speeches.append(Speech(Author.MODEL, "search", "\n".join(search.queries)))
        speeches.append(Speech(Author.ENVIRONMENT, "information", "\n".join(lines)))
    if row.answer is not None:
        speeches.append(Speech(Author.MODEL, "answer", row.answer))
    outcome = f"recall {row.recall:.2f}" if row.answer is not None else f"no answer ({row.end_reason})"
    return _example(contestant(Side.of(row)), outcome, row.recall == 1, question, row.answer, speeches)


def _example(
    source: str, outcome: str, is_right: bool, question: Question, answer: str | None, speeches: list[Speech]
) -> Example:
    scored = score_masks(question, answer)
    golds = question.gold if question.kind == "ramp" else ["; ".join(question.gold)]
    return Example(
        source=source,
        outcome=outcome,
        is_right=is_right,
        title=question.title or question.question_id,
        prompt=pieces(question.masked_text or question.prompt),
        speeches=speeches,
        masks=[
            MaskLine(gold, mask.filling if answer is not None else "", mask.recall)
            for gold, mask in zip(golds, scored, strict=True)
        ],
    )

"""`masksearch score`: scores answers from anywhere against a set of questions."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.settings import EvaluationSettings
from tasks.evaluation.given_answers import Row, answers_in, scored, summary_of
from tasks.evaluation.set_file import questions_in


def score(answers: str, questions: str, layout: str | None, split: str | None, as_json: bool, console: Console) -> None:
    """Print the metrics of the answers, and how many questions were not answered.

    Raises:
        BadInput: a file cannot be read, or an answer belongs to no question of the set.
    """
    rows = scored(questions_in(questions, layout, split), answers_in(answers), answers)
    summary = summary_of(rows, EvaluationSettings().bootstrap)
    unanswered = sum(row.answer is None for row in rows)
    if as_json:
        scores = [row._asdict() for row in summary]
        print(json.dumps({"questions": len(rows), "unanswered": unanswered, "scores": scores}))
        return
    has_masks = any(row.n_masks for row in rows)
    console.print(_table(summary, "mask" if has_masks else "hop"))
    missing = f", {unanswered:,} of them without an answer, which count as wrong" if unanswered else ""
    console.print(f"{len(rows):,} questions{missing}", highlight=False)


def _table(summary: list[Row], unit: str) -> Table:
    metrics = list(dict.fromkeys(row.metric for row in summary))
    table = Table("questions", title="95% intervals", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for metric in metrics:
        table.add_column(metric.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    found = {(row.level, row.type, row.metric): row for row in summary}
    for level, kind in dict.fromkeys((row.level, row.type) for row in summary):
        name = kind or (f"{level} {unit}{'s' * (level > 1)}" if level else "all")
        cells = [_cell(found[level, kind, metric]) for metric in metrics]
        table.add_row(Text(name), *cells, f"{found[level, kind, metrics[0]].n:,}")
    return table


def _cell(row: Row) -> Text:
    return Text.assemble(f"{row.mean:.3f}", (f" [{row.low:.2f}, {row.high:.2f}]", "dim"))

"""`masksearch score`: scores answers from anywhere against a set of questions."""

import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.counts import counted
from schemas.evaluation_settings import EvaluationSettings
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
    console.print(_table(summary, "mask" if any(row.n_masks for row in rows) else "hop"))
    missing = f", {unanswered:,} of them without an answer, which count as wrong" if unanswered else ""
    console.print(f"{counted(len(rows), 'question')}{missing}", highlight=False)


def _table(summary: list[Row], unit: str) -> Table:
    table = Table("questions", "metric", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for head in ("mean", "95% interval", "n"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in summary:
        name = row.type or (counted(row.level, unit) if row.level else "all")
        interval = f"[{row.low:.3f}, {row.high:.3f}]"
        table.add_row(Text(name), row.metric.replace("_", " "), f"{row.mean:.3f}", interval, f"{row.n:,}")
    return table

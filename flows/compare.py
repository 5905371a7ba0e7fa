"""`masksearch compare`: contestants of several labels, roots and seeds, question by question."""

import json
from itertools import groupby
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from schemas.errors import BadInput
from schemas.evaluation_settings import EvaluationSettings
from tasks.evaluation.comparing import Compared, compared, differing, sides_of
from tasks.evaluation.entries import read_entry


def compare(paths: list[str], across: bool, as_json: bool, console: Console) -> None:
    """Print the differences of the first contestant and each other, with 95% intervals.

    Raises:
        BadInput: a path holds no answers, or, unless ``across``, the contestants answered under different conditions.
    """
    sides = sides_of([read_entry(path) for path in paths])
    differences = differing(sides)
    if differences and not across:
        more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
        raise BadInput(f"not the same conditions: {differences[0]}{more}: give --across to compare nevertheless")
    rows = list(compared(sides, EvaluationSettings().bootstrap))
    if as_json:
        contestants = {name: [entry.path for entry in side.entries] for name, side in sides.items()}
        document = {"contestants": contestants, "differ": differences, "comparisons": list(map(_document, rows))}
        print(json.dumps(document))
        return
    for (a, b, of_set, decoding), found in groupby(rows, lambda row: row[:4]):
        console.print(_table(f"{a} − {b}: {of_set}, {decoding}", list(found)))
    for words in differences:
        console.print(f"Not the same conditions: {words}", highlight=False, markup=False)


def _document(row: Compared) -> dict[str, Any]:
    found = row.difference
    return {
        "set": row.set,
        "decoding": row.decoding,
        "level": found.level,
        "metric": found.metric,
        "a": row.a,
        "b": row.b,
        "mean_a": found.mean_a,
        "mean_b": found.mean_b,
        "difference": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "n": found.interval.n,
        "p_value": found.p_value,
    }


def _table(title: str, rows: list[Compared]) -> Table:
    table = Table("level", "metric", title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for head in ("a", "b", "difference", "95% interval", "p", "n"):
        table.add_column(head, justify="right", no_wrap=True)
    for found in (row.difference for row in rows):
        difference, low, high, n = found.interval
        table.add_row(
            str(found.level or "all"),
            found.metric.replace("_", " "),
            f"{found.mean_a:.3f}",
            f"{found.mean_b:.3f}",
            f"{difference:+.3f}",
            f"[{low:+.3f}, {high:+.3f}]",
            "" if found.p_value is None else f"{found.p_value:.2g}",
            f"{n:,}",
        )
    return table

"""The table that ends `masksearch run`."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from tasks.evaluation.scores import Score
from tasks.report.document import Report

_COLUMNS = {
    "span_recall": "span recall",
    "span_recall_sampled": "sampled",
    "exact": "exact",
    "answered": "answered",
}


def summary_table(report: Report) -> Table:
    """Every model's scores over all masks with 95% intervals; without models, the rows of each stage."""
    return _scorecard(report.scores) if report.scores else _stages(report)


def scorecard_markdown(report: Report) -> str:
    """`summary_table` in Markdown."""
    table = summary_table(report)
    heads = [str(column.header) for column in table.columns]
    rows = zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([f"### {table.title}", "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def contestant(model: str, retrieval: str) -> str:
    """``dapo``, or ``dapo, search off``."""
    return model + {"live": "", "none": ", search off", "random": ", random passages"}[retrieval]


def _scorecard(scores: list[Score]) -> Table:
    table = Table(title="Test split, all masks; 95% intervals", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("model", no_wrap=True)
    for title in _COLUMNS.values():
        table.add_column(title, justify="right", no_wrap=True)
    found = {(score.model, score.retrieval, score.metric): score for score in scores if score.masks == 0}
    for model, retrieval in dict.fromkeys((score.model, score.retrieval) for score in scores):
        cells = [_cell(found.get((model, retrieval, metric)), "recall" in metric) for metric in _COLUMNS]
        table.add_row(contestant(model, retrieval), *cells)
    return table


def _cell(score: Score | None, has_interval: bool) -> Text:
    if score is None:
        return Text("–", "dim")
    interval = f" [{score.low:.2f}, {score.high:.2f}]" if has_interval else ""
    return Text.assemble(f"{score.mean:.3f}", (interval, "dim"))


def _stages(report: Report) -> Table:
    table = Table(title="Stages", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("stage")
    for title in ("rows", "rejects", "seconds"):
        table.add_column(title, justify="right")
    for stage in report.stages:
        table.add_row(f"{stage.stage}/{stage.label}", f"{stage.rows:,}", f"{stage.rejects:,}", f"{stage.seconds:,.1f}")
    return table

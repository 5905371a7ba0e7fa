"""The tables that end `masksearch run`."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from schemas.protocol_settings import OWN_NAME
from tasks.evaluation.scores import Score, Side, Subset
from tasks.report.document import Report

_OF_MASKS = {
    ("span_recall", "greedy"): "span recall",
    ("span_recall", "sampled"): "sampled",
    ("exact", "greedy"): "exact",
    ("answered", "greedy"): "answered",
}
_OF_QUESTIONS = {
    ("exact", "greedy"): "exact",
    ("exact", "sampled"): "sampled",
    ("f1", "greedy"): "f1",
    ("support_recall", "greedy"): "support",
}

UNKNOWN = "not known without a search"


def summary_table(report: Report) -> Group:
    """A table for each set: all contestants with 95% intervals. Without models, the rows of each stage."""
    return Group(*_tables(report))


def scorecard_markdown(report: Report) -> str:
    """`summary_table` in Markdown."""
    return "\n\n".join(map(_markdown, _tables(report)))


def _markdown(table: Table) -> str:
    heads = [str(column.header) for column in table.columns]
    rows = zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([f"### {table.title}", "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def _tables(report: Report) -> list[Table]:
    unknown = by_set(report.scores, "unknown")
    return [
        _scorecard(scores)
        for name, of_all in by_set(report.scores).items()
        for scores in (of_all, unknown.get(name))
        if scores
    ] or [_stages(report)]


def by_set(scores: Sequence[Score], subset: Subset = None) -> dict[str, list[Score]]:
    """Scores by set, in their order: those of all questions, or those of a subset."""
    chosen = [score for score in scores if score.subset == subset]
    return {name: [score for score in chosen if score.set == name] for name in dict.fromkeys(s.set for s in chosen)}


def has_masks(scores: Sequence[Score]) -> bool:
    """Whether these are scores of a set of masked paragraphs, whose levels are numbers of masks and not of hops."""
    return any(score.metric == "span_recall" for score in scores)


def contestant(side: Side) -> str:
    """``ramp-rl``, ``ramp-rl, search off``, ``qa-rl, one search`` or ``start, by prompt``; then a protocol's name."""
    words = {
        "agent": {"live": "", "none": ", search off", "random": ", random passages"},
        "prompt": {
            "live": ", by prompt",
            "none": ", by prompt, search off",
            "random": ", by prompt, random passages",
        },
        "rag": {"live": ", one search", "none": ", no passages", "random": ", one search, random passages"},
        "direct": dict.fromkeys(("live", "none", "random"), ", no search"),
    }
    protocol = "" if side.protocol in (None, OWN_NAME) else f", {side.protocol}"
    return side.model + words[side.way][side.retrieval] + protocol


def _scorecard(scores: list[Score]) -> Table:
    masks = has_masks(scores)
    of_all = f"all {'masks' if masks else 'questions'}"
    asked = of_all if scores[0].subset is None else f"{UNKNOWN} ({max(score.n for score in scores):,})"
    title = f"{scores[0].set}, {asked}; 95% intervals"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("model", no_wrap=True)
    columns = _OF_MASKS if masks else _OF_QUESTIONS
    for head in columns.values():
        table.add_column(head, justify="right", no_wrap=True)
    found = {(score.side, score.metric, score.decoding): score for score in scores if score.level == 0}
    for side in dict.fromkeys(score.side for score in scores):
        has_interval = "span_recall" if masks else "exact"
        cells = [_cell(found.get((side, metric, decoding)), metric == has_interval) for metric, decoding in columns]
        table.add_row(contestant(side), *cells)
    return table


def _cell(score: Score | None, has_interval: bool) -> Text:
    if score is None:
        return Text("–", "dim")
    interval = f" [{_short(score.low)}, {_short(score.high)}]" if has_interval else ""
    return Text.assemble(f"{score.mean:.3f}", (interval, "dim"))


def _stages(report: Report) -> Table:
    table = Table(title="Stages", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("stage")
    for title in ("rows", "rejects", "seconds"):
        table.add_column(title, justify="right")
    for stage in report.stages:
        table.add_row(f"{stage.stage}/{stage.label}", f"{stage.rows:,}", f"{stage.rejects:,}", f"{stage.seconds:,.1f}")
    return table


def _short(value: float) -> str:
    """Two decimals without a leading zero, so that the table fits 80 characters."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"

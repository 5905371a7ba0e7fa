"""Charts of the report, each as one inline SVG, without scripts or network access; text is not drawn as paths."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from schemas.names import START
from schemas.training_steps import QuestionStep, TrainingStep, origins_of
from tasks.evaluation.scores import Comparison, Score
from tasks.report.curves import Curves, Points, smoothed
from tasks.report.summary import contestant, has_masks
from tasks.report.tables import columns_of, level_name

INK, MUTED, _GRID, ACCENT = "#1f2933", "#7b8794", "#e4e7eb", "#0072b2"
_MODELS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c6d31", "#5f4b8b")
"""Colours that differ for every kind of colour vision (after Okabe and Ito, 2008), and two more."""
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

WIDE, _HALF = 10.5, 5.1
"""Widths in inches: of a chart across the page, and of one of two charts side by side."""

_MOST_PANELS = 4
"""Metrics of a forest plot."""

RL_PANELS = {
    "reward": "reward",
    "recall": "span recall (sampled)",
    "format": "well formed, share",
    "informative": "informative groups, share",
    "length": "tokens a rollout",
    "searches": "searches a rollout",
    "entropy": "entropy a token (nats)",
    "grad_norm": "gradient norm",
    "clip_share": "fraction of clipped tokens",
    "importance_ess": "effective samples, share",
    "sampler_gap": "mean |Δ log p|, trainer and sampler",
    "parity": "largest |Δ log p| on the probe",
}
"""The figures of an RL step that are drawn if they exist, with their titles."""


class Colours:
    """A colour for each model, the same in all charts of a page; ``models`` in the order in which they are trained."""

    def __init__(self, models: Sequence[str]) -> None:
        self._of = {model: _MODELS[place % len(_MODELS)] for place, model in enumerate(models)}

    def of(self, model: str) -> str:
        return self._of.get(model, INK)


def svg(label: str, width: float, height: float, draw: Callable[[Figure], None]) -> str:
    """Draw a chart of ``width`` by ``height`` inches.

    ``label`` is the text for screen readers. It also salts the ids of the SVG, which must differ between the charts of
    one page.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({**RC, "svg.hashsalt": label}):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # An SVG inside HTML must not have an XML declaration, and matplotlib's empty metadata only adds bytes.
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    # Ids that nothing refers to (`href="#id"` or `url(#id)`), such as figure_1, repeat in every chart: remove them.
    referred = set(re.findall(r'#([^")]+)["\)]', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in referred else "", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def scores_by_level(scores: Sequence[Score], colours: Colours) -> str:
    """One set's greedy span recall or exact match with intervals, all contestants side by side for each level."""
    masks = has_masks(scores)
    metric = "span_recall" if masks else "exact"
    chosen = [score for score in scores if (score.metric, score.decoding) == (metric, "greedy")]
    levels = sorted({score.level for score in chosen})
    sides = list(dict.fromkeys(score.side for score in chosen))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, side in enumerate(sides):
            shift = 0.78 * ((number + 0.5) / len(sides) - 0.5)
            own = [score for score in chosen if score.side == side]
            spread = [[s.mean - s.low for s in own], [s.high - s.mean for s in own]]
            axes.errorbar(
                [levels.index(score.level) + shift for score in own],
                [score.mean for score in own],
                yerr=spread,
                fmt="o" if side.retrieval == "live" else "D" if side.retrieval == "none" else "s",
                color=colours.of(side.model),
                markerfacecolor=colours.of(side.model) if side.retrieval == "live" else "white",
                markersize=5,
                capsize=2,
                linewidth=1.2,
                label=contestant(side),
            )
        axes.set_xticks(range(len(levels)), [level_name(level, masks) if level else "all" for level in levels])
        axes.set_ylim(-0.03, 1.03)
        axes.set_ylabel(f"{metric.replace('_', ' ')}, greedy")
        axes.grid(axis="x", visible=False)
        figure.legend(loc="outside right upper")

    label = "Span recall by number of masks" if masks else "Exact match by number of hops"
    return svg(f"{label}, {scores[0].set}", WIDE, 3.3, draw)


def differences(comparisons: Sequence[Comparison], colours: Colours) -> str:
    """A forest plot of one set's paired differences over all its questions, one panel for each metric."""
    chosen = [comparison for comparison in comparisons if comparison.level == 0]
    pairs = list(dict.fromkeys((comparison.a, comparison.b) for comparison in chosen))
    columns = dict(list(columns_of(chosen).items())[:_MOST_PANELS])

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        for axes, (column, title) in zip(panels, columns.items(), strict=True):
            axes.axvline(0, color=MUTED, linewidth=1)
            for row in (c for c in chosen if (c.metric, c.decoding) == column):
                spread = [[row.difference - row.low], [row.high - row.difference]]
                height = pairs.index((row.a, row.b))
                axes.errorbar(row.difference, height, xerr=spread, fmt="o", color=colours.of(row.a.model), capsize=3)
            axes.set_title(title)
            axes.grid(axis="y", visible=False)
            axes.margins(y=0.3)
        panels[0].set_yticks(range(len(pairs)), [f"{contestant(a)} − {contestant(b)}" for a, b in pairs])

    return svg(f"Paired differences, {comparisons[0].set}", WIDE, 1.1 + 0.35 * len(pairs), draw)


def tree(steps: Sequence[TrainingStep], colours: Colours) -> str:
    """The steps of training from left to right, each beside the one that it began with, with its kind and set."""
    origins = origins_of(steps)
    depths = {START: 0}
    for step in steps:
        depths[step.name] = depths[origins[step.name]] + 1
    heights = _heights([START, *(step.name for step in steps)], origins)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for step in steps:
            before = origins[step.name]
            axes.plot(
                [depths[before], depths[before] + 0.5, depths[step.name]],
                [heights[before], heights[step.name], heights[step.name]],
                color=MUTED,
                linewidth=1,
                zorder=1,
            )
            axes.scatter(depths[step.name], heights[step.name], color=colours.of(step.name), s=50, zorder=2)
            what = step.kind.replace("_", " ") + (f" on {step.on}" if isinstance(step, QuestionStep) else "")
            text: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(step.name, (depths[step.name], heights[step.name]), (0, 8), **text)
            axes.annotate(what, (depths[step.name], heights[step.name]), (0, -15), color=MUTED, **text)
        axes.scatter(0, heights[START], color=INK, s=30, zorder=2)
        axes.annotate(START, (0, heights[START]), (0, 8), textcoords="offset points", ha="center", fontsize=8)
        axes.set_axis_off()
        axes.set_xlim(-0.3, max(depths.values()) + 0.4)
        axes.set_ylim(min(heights.values()) - 0.6, 0.6)

    return svg("Steps of training", WIDE, 0.35 + 0.75 * len(set(heights.values())), draw)


def _heights(names: Sequence[str], origins: Mapping[str, str]) -> dict[str, int]:
    """A row for each branch: the first step after another continues its row, and further ones begin rows below."""
    heights, lowest, continued = {names[0]: 0}, 0, set()
    for name in names[1:]:
        origin = origins[name]
        if origin in continued:
            lowest -= 1
        heights[name] = lowest if origin in continued else heights[origin]
        continued.add(origin)
    return heights


def losses(trainings: Sequence[Curves], colours: Colours) -> str:
    """Loss by step, one panel for each training, with bands for the curriculum's phases."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(trainings), squeeze=False)[0]
        for axes, curves in zip(panels, trainings, strict=True):
            points = curves.series["loss"]
            _line(axes, points, colours.of(curves.label))
            _shade(axes, curves)
            axes.set_title(curves.label)
            axes.set_xlabel("step")
            axes.set_ylim(bottom=0, top=1.05 * max(value for _, value in points))
        panels[0].set_ylabel("loss (nats a token)")

    return svg("Training loss", WIDE, 2.8, draw)


def reinforcement(curves: Curves, colours: Colours) -> str:
    """The figures of RL by step, in small panels."""
    drawn = [name for name in RL_PANELS if name in curves.series]
    columns = 4

    def draw(figure: Figure) -> None:
        rows = -(-len(drawn) // columns)
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
        for axes, name in zip(panels, drawn, strict=False):
            _line(axes, curves.series[name], colours.of(curves.label))
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            _shade(axes, curves, is_labelled=name == drawn[0])
            axes.set_title(RL_PANELS[name], fontsize=8.5)
            if RL_PANELS[name].endswith("share"):
                axes.set_ylim(0, 1.04)
        for axes in panels[len(drawn) :]:
            axes.set_visible(False)

    return svg(f"Reinforcement learning of {curves.label}", WIDE, 1.75 * -(-len(drawn) // columns), draw)


def bars(label: str, counts: Mapping[str, float], unit: str = "") -> str:
    """Horizontal bars with their counts, the first key on top."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        names, values = list(counts)[::-1], list(counts.values())[::-1]
        drawn = axes.barh(names, values, color=ACCENT, height=0.7)
        axes.bar_label(drawn, [_number(value) + unit for value in values], padding=3)
        axes.set_title(label)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        axes.margins(x=0.18, y=0.02)

    return svg(label, _HALF, 0.34 + 0.24 * len(counts), draw)


def stacked(label: str, table: Mapping[str, Mapping[str, int]], colours: Mapping[str, str]) -> str:
    """Horizontal stacked bars of shares: a row for each key of the table, a colour for each category."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        rows = list(table)[::-1]
        totals = [max(1, sum(table[row].values())) for row in rows]
        left = [0.0] * len(rows)
        for category, colour in colours.items():
            widths = [table[row].get(category, 0) / total for row, total in zip(rows, totals, strict=True)]
            drawn = axes.barh(rows, widths, left=left, color=colour, height=0.7, label=category)
            axes.bar_label(
                drawn, [f"{w:.0%}" if w > 0.05 else "" for w in widths], label_type="center", color="white", fontsize=8
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_title(label)
        figure.legend(loc="outside lower left", ncols=len(colours), fontsize=8)

    return svg(label, _HALF, 0.95 + 0.24 * len(table), draw)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _line(axes: Axes, points: Points, colour: str) -> None:
    steps: tuple[Any, ...] = tuple(step for step, _ in points)
    axes.plot(steps, [value for _, value in points], color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(steps, [value for _, value in smoothed(points)], color=colour, linewidth=1.6)


def _shade(axes: Axes, curves: Curves, is_labelled: bool = True) -> None:
    """A band for every second phase of the curriculum, with the phase's largest number of masks."""
    if curves.phases[0][1] == 0:
        return
    last = max(step for step, _ in curves.series["loss"])
    ends = [step for step, _ in curves.phases[1:]] + [last]
    for number, ((begin, masks), end) in enumerate(zip(curves.phases, ends, strict=True)):
        if number % 2:
            axes.axvspan(begin, end, color=_GRID, alpha=0.6, linewidth=0)
        if is_labelled and len(curves.phases) > 1:
            axes.text((begin + end) / 2, 0.98, f"≤{masks:.0f}", transform=axes.get_xaxis_transform(), **_PHASE_TEXT)


_PHASE_TEXT: dict[str, Any] = {"ha": "center", "va": "top", "color": MUTED, "fontsize": 7}

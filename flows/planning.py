"""`masksearch plan`: which stages a run would build, why, and the work that they take. Builds nothing.

Rows and tokens follow from the settings, hours from the rates of the last acceptance. Where these are unknown, the plan
uses the figures of the same stage for an earlier snapshot of the wiki.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from flows.selection import configured
from schemas.acceptance import FILE, Acceptance
from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.errors import BadInput
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger, differences
from tasks.making.model_size import parameters_in
from tasks.making.stage import Work
from tasks.pipeline.expectations import Hours, hours_of, seen_by_students, total, work_of
from tasks.pipeline.graph import Stage, changes_outside, stages_of
from tasks.pipeline.precedents import Precedent, precedents_of
from tasks.pipeline.readiness import found_for, missing_sets


def plan(
    config: str, snapshot: str | None, root: str | None, dump: str | None, as_json: bool, console: Console
) -> None:
    """Print a line for each stage: its action, and the expected rows, bytes, tokens and hours.

    Raises:
        BadInput: the config is invalid. After the table is printed: a label holds a stage that was built with other
            inputs or settings, or a question set is missing. Models, endpoints and a coming dump may be missing,
            because a run may take place on another machine and at another time.
    """
    settings = configured(config, snapshot, root, dump)
    ledger = Ledger(settings.runtime.root, settings.snapshot)
    stages = stages_of(settings)
    estimates = Estimates(settings, stages, last_acceptance(settings.runtime.root))
    precedents = precedents_of(settings, stages)
    rows = [_planned(ledger, stage, estimates, precedents.get(stage.name)) for stage in stages]
    to_do = [stage for stage, row in zip(stages, rows, strict=True) if row["action"] in _TO_DO]
    problems = missing_sets(to_do)
    if as_json:
        print(json.dumps(rows))
        _refuse(problems)
        return
    console.print(_table(f"{settings.name}: {settings.snapshot}", rows))
    for line in estimates.summary(to_do):
        console.print(line, highlight=False)
    for is_there, words in found_for(to_do):
        if not is_there and words not in problems:
            console.print(f"[yellow]a run would be refused on this machine:[/] {escape(words)}", highlight=False)
    for line in _sources({row["precedent"] for row in rows} - {None}, precedents.values()):
        console.print(line, highlight=False)
    conflicts = [row["stage"] for row in rows if row["action"] == "refused"]
    if conflicts:
        problems.append(
            f"{', '.join(conflicts)}: built with other inputs or settings (see the table): use another label, or the "
            "former inputs and settings"
        )
    _refuse(problems)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise BadInput("; ".join(problems))


_TO_DO = ("built", "finished")


def last_acceptance(root: str) -> Acceptance | None:
    """The last acceptance under this root; None if there is none, or this version cannot read it."""
    try:
        return storage.read_document(storage.join(root, FILE), Acceptance)
    except (FileNotFoundError, ValueError):
        return None


class Estimates:
    """The expected work and time of a config's stages, as far as settings and an acceptance determine them."""

    def __init__(self, settings: PipelineConfig, stages: Sequence[Stage], acceptance: Acceptance | None) -> None:
        self._settings, self._acceptance = settings, acceptance
        self._work = work_of(settings, stages)
        self._parameters = parameters_in(settings)

    def work(self, stage: Stage) -> Work:
        return self._work.get(stage.name, Work())

    def hours(self, stage: Stage) -> Hours | None:
        """The stage's hours; None if the acceptance measured no rate for it."""
        if self._acceptance is None or stage.name not in self._work:
            return None
        return hours_of(self._work[stage.name], self._acceptance.rates, self._scale)

    def summary(self, stages: Sequence[Stage], price: float | None = None) -> list[str]:
        """Lines with the time and cost of all these stages together, and the source of the estimate."""
        if self._acceptance is None:
            return [f"no hours: run `masksearch accept` with this config to measure rates ({FILE} under the root)"]
        accepted, kind = self._acceptance, self._acceptance.rates.accelerator
        known = [hours for stage in stages if (hours := self.hours(stage)) is not None]
        if not known:
            return ["no hours: the last acceptance has no rates for the stages to build"]
        hours = total(known)
        lines = [f"total: {hours.clock / 24:,.2f} days, {hours.devices:,.1f} {kind}-hours: {self._what_is_counted()}"]
        if price is not None:
            cost = f"cost: {hours.devices * price:,.2f} at {price:g} a GPU-hour"
            lines.append(cost if kind == "GPU" else "no cost: the price is for GPU-hours, and these are CPU-hours")
        when = accepted.finished[:16].replace("T", " ")
        lines.append(f"hours from the acceptance of {when} UTC, size {accepted.size}, {self._scaled()}")
        return lines

    @property
    def _scale(self) -> float:
        assert self._acceptance is not None
        return self._parameters / self._acceptance.rates.parameters if self._parameters else 1.0

    def _scaled(self) -> str:
        assert self._acceptance is not None
        of_accepted = self._acceptance.rates.parameters
        if self._parameters is None:
            return (
                "not scaled, because the config's model cannot be read on this machine; the tested model has "
                f"{of_accepted:,} parameters"
            )
        if self._parameters == of_accepted:
            return f"with the config's own {of_accepted:,} parameters"
        words = f"scaled by parameters from {of_accepted:,} to the config's {self._parameters:,}"
        # A tiny model spends its time on costs of a step that do not grow with the model.
        is_overhead = self._acceptance.size == "tiny" and self._scale > 1
        return f"{words}: far too high, because the tested model is tiny" if is_overhead else words

    def _what_is_counted(self) -> str:
        if seen_by_students(self._settings):
            lengths = "at the length of the last student's"
        else:
            lengths = "at their greatest length"
        return f"training, and rollouts and answers {lengths}, without refills; ≤ marks upper bounds"


def _planned(ledger: Ledger, stage: Stage, estimates: Estimates, before: Precedent | None) -> dict[str, Any]:
    action, why = _action(ledger, stage)
    is_to_do = action in _TO_DO
    before = before if is_to_do else None
    work = estimates.work(stage) if is_to_do else Work()
    hours = estimates.hours(stage) if is_to_do else None
    clock = before.seconds / 3600 if before else None
    return {
        "stage": str(stage),
        "action": action,
        "why": why,
        "rows": before.rows if work.rows is None and before else work.rows,
        "bytes": before.bytes if before else None,
        "tokens": work.tokens,
        "generated_tokens": work.generated,
        "at_most": work.is_bound,
        "hours": hours.clock if hours else clock,
        "device_hours": hours.devices if hours else None,
        "precedent": before.snapshot if before else None,
    }


def _sources(snapshots: Collection[str], precedents: Collection[Precedent]) -> list[str]:
    """Lines that name the snapshots from which figures were taken."""
    growth = {precedent.snapshot: precedent.growth for precedent in precedents if precedent.growth != 1}
    return [
        f"bytes, and rows and hours without another source, are those of {snapshot}"
        + (f", for data stages times {growth[snapshot]:.3g}, the growth of the input" if snapshot in growth else "")
        for snapshot in sorted(snapshots)
    ]


def _action(ledger: Ledger, stage: Stage) -> tuple[str, str]:
    """The action of a run on a stage, and the reason."""
    recipe, known = stage.recipe(ledger), ledger.recipe(stage.stage, stage.label)
    manifest = ledger.manifest(stage.stage, stage.label)
    if recipe is None:
        return "built", "its inputs are not built yet"
    if known is None:
        return "built", "not built yet"
    if known.fingerprint != recipe.fingerprint:
        return "refused", "; ".join(differences(known, recipe))
    if manifest is None:
        names = storage.names_in(ledger.folder(stage.stage, stage.label))
        parts = sum(name.startswith("part-") and name.endswith(".json") for name in names)
        return "finished", f"begun: {counted(parts, 'part')} {'is' if parts == 1 else 'are'} done"
    changed = changes_outside(ledger, manifest, stage.locations)
    if changed:
        return "refused", "; ".join(changed)
    rows = f", {counted(manifest.rows, 'row')}" if manifest.rows else ""
    return "skipped", f"finished {manifest.finished[:16].replace('T', ' ')}{rows}"


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """The table of the plan. Tokens are those that a stage trains on or, for rollouts, generates."""
    # In a narrow terminal the words of a cell go on in the next line.
    table = Table(*(Column(name, overflow="fold") for name in ("stage", "will be", "why")), title=title)
    for name in ("rows", "bytes", "tokens", "hours"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        bound = "≤" if row["at_most"] else ""
        tokens = row["tokens"] or row["generated_tokens"]
        bound_of_hours = bound if row["device_hours"] is not None else ""
        table.add_row(
            row["stage"],
            row["action"],
            row["why"],
            f"{row['rows']:,}" if row["rows"] else "",
            decimal(row["bytes"]) if row["bytes"] else "",
            f"{bound}{_large(tokens)}" if tokens else "",
            f"{bound_of_hours}{row['hours']:,.2f}" if row["hours"] is not None else "",
        )
    return table


def _large(number: int) -> str:
    """A number with three significant digits: 2.05 M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)

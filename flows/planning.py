"""`masksearch plan`: what would be built, why, and what it would take. Builds nothing.

Rows and tokens are those of the settings, hours those of the last acceptance; where these do not tell, what the stage
took for an earlier snapshot of the wiki does.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Column, Table

from flows.selection import configured
from schemas.acceptance import FILE, Acceptance
from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger, differences
from tasks.making.model_size import parameters_in
from tasks.making.stage import Work
from tasks.pipeline.expectations import Hours, hours_of, seen_by_students, total, work_of
from tasks.pipeline.graph import Stage, changes_outside, stages_of
from tasks.pipeline.precedents import Precedent, precedents_of
from tasks.pipeline.readiness import found_for


def plan(
    config: str, snapshot: str | None, root: str | None, dump: str | None, as_json: bool, console: Console
) -> None:
    """One line a stage: built, to go on with, or in conflict; rows, bytes, tokens and hours that are to be expected.

    Raises:
        BadInput: the config is wrong, or a label holds something made in another way (after the table is printed).
    """
    settings = configured(config, snapshot, root, dump)
    ledger = Ledger(settings.runtime.root, settings.snapshot)
    stages = stages_of(settings)
    estimates = Estimates(settings, stages, last_acceptance(settings.runtime.root))
    precedents = precedents_of(settings, stages)
    rows = [_planned(ledger, stage, estimates, precedents.get(stage.name)) for stage in stages]
    if as_json:
        print(json.dumps(rows))
        return
    console.print(_table(f"{settings.name}: {settings.snapshot}", rows))
    to_do = [stage for stage, row in zip(stages, rows, strict=True) if row["action"] in _TO_DO]
    for line in estimates.words(to_do):
        console.print(line, highlight=False)
    for is_there, words in found_for(to_do):  # no error: it may be planned here what is run elsewhere
        if not is_there:
            console.print(f"[yellow]a run would be refused here:[/] {words}", highlight=False)
    for line in _told_by({row["precedent"] for row in rows} - {None}, precedents.values()):
        console.print(line, highlight=False)
    conflicts = [row["stage"] for row in rows if row["action"] == "refused"]
    if conflicts:
        raise BadInput(f"{', '.join(conflicts)}: made in another way under the same label; see the table")


_TO_DO = ("built", "finished")


def last_acceptance(root: str) -> Acceptance | None:
    """That of the cluster that this root's runs are made on; None where there is none that this version can read."""
    try:
        return storage.read_document(storage.join(root, FILE), Acceptance)
    except (FileNotFoundError, ValueError):
        return None


class Estimates:
    """What the stages of a config will take, as far as settings tell it and an acceptance has measured it."""

    def __init__(self, settings: PipelineConfig, stages: Sequence[Stage], acceptance: Acceptance | None) -> None:
        self._settings, self._acceptance = settings, acceptance
        self._work = work_of(settings, stages)
        self._parameters = parameters_in(settings)

    def work(self, stage: Stage) -> Work:
        return self._work.get(stage.name, Work())

    def hours(self, stage: Stage) -> Hours | None:
        """None where nothing was measured that tells."""
        if self._acceptance is None or stage.name not in self._work:
            return None
        return hours_of(self._work[stage.name], self._acceptance.rates, self._scale)

    def words(self, stages: Sequence[Stage], price: float | None = None) -> list[str]:
        """What all of these stages together will take, and where that is known from."""
        if self._acceptance is None:
            return [f"`masksearch accept` with this config would tell hours ({FILE} under the root)"]
        accepted, kind = self._acceptance, self._acceptance.rates.accelerator
        known = [hours for stage in stages if (hours := self.hours(stage)) is not None]
        if not known:
            return ["no hours: nothing is to be built that the last acceptance measured"]
        hours = total(known)
        lines = [f"in all {hours.clock / 24:,.2f} days, {hours.devices:,.1f} {kind}-hours: {self._what_is_counted()}"]
        if price is not None:
            cost = f"cost: {hours.devices * price:,.2f} at {price:g} a GPU-hour"
            lines.append(cost if kind == "GPU" else "no cost: the price is of GPU-hours, and these are hours of CPUs")
        when = accepted.finished[:16].replace("T", " ")
        lines.append(f"hours by the acceptance of {when} UTC, size {accepted.size}, {self._scaled()}")
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
                f"not scaled: the config's model cannot be read here; the accepted one has {of_accepted:,} parameters"
            )
        if self._parameters == of_accepted:
            return f"the config's own {of_accepted:,} parameters"
        words = f"scaled by parameters from {of_accepted:,} to the config's {self._parameters:,}"
        # Its time goes into what a step costs whatever the size.
        is_overhead = self._acceptance.size == "tiny" and self._scale > 1
        return f"{words}: far too high, from so small a model" if is_overhead else words

    def _what_is_counted(self) -> str:
        lengths = "as long as the last student's" if seen_by_students(self._settings) else "as long as they may be"
        return f"training, rollouts and answers, these {lengths}, without refills; ≤ marks such bounds"


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


def _told_by(snapshots: Collection[str], precedents: Collection[Precedent]) -> list[str]:
    """Which snapshots the figures of stages were taken from."""
    growth = {precedent.snapshot: precedent.growth for precedent in precedents if precedent.growth != 1}
    return [
        f"bytes, and rows and hours that nothing else tells: as {snapshot} took"
        + (f", data stages times {growth[snapshot]:.3g} for the size of the dump" if snapshot in growth else "")
        for snapshot in sorted(snapshots)
    ]


def _action(ledger: Ledger, stage: Stage) -> tuple[str, str]:
    """What would be done with a stage, and why."""
    recipe, known = stage.recipe(ledger), ledger.recipe(stage.stage, stage.label)
    manifest = ledger.manifest(stage.stage, stage.label)
    if recipe is None:
        return "built", "after its inputs"
    if known is None:
        return "built", "not there yet"
    if known.fingerprint != recipe.fingerprint:
        return "refused", "; ".join(differences(known, recipe))
    if manifest is None:
        names = storage.names_in(ledger.folder(stage.stage, stage.label))
        parts = sum(name.startswith("part-") and name.endswith(".json") for name in names)
        return "finished", f"begun: {parts} parts are there"
    changed = changes_outside(ledger, manifest, stage.locations)
    if changed:
        return "refused", "; ".join(changed)
    rows = f", {manifest.rows:,} rows" if manifest.rows else ""
    return "skipped", f"finished {manifest.finished[:16].replace('T', ' ')}{rows}"


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Tokens are those to train on; of rollouts, those to write."""
    table = Table(Column("stage", no_wrap=True), Column("will be", no_wrap=True), "why", title=title)
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
    """In three figures: 2.05 M."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)

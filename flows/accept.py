"""`masksearch accept`: tests the cluster of a config's runtime, and estimates the time of the config on it."""

from rich.console import Console
from rich.table import Column, Table

from flows.console import Terminal
from flows.planning import Estimates
from flows.running import leave_on_sigterm
from flows.selection import configured
from schemas.acceptance import FILE, Acceptance
from schemas.config import PipelineConfig
from schemas.errors import BadInput, RunFailed, Stopped
from schemas.sizes import SIZES, parameters_of
from tasks.ledger import storage
from tasks.making.model_size import parameters_in
from tasks.pipeline.graph import stages_of
from trainers.acceptance.derived import derived, devices_of
from trainers.acceptance.room import refuse_no_disk

_COLOURS = {"pass": "green", "fail": "red", "not tried": "yellow"}


def accept(config: str, size: str | None, price: float | None, root: str | None, console: Console) -> None:
    """Run the checks, print which passed and failed, and the estimated time of every stage of the config.

    Raises:
        BadInput: the config lacks a section that is tested, the size is unknown, or the cluster lacks resources.
        RunFailed: an item failed (after the table is printed).
        Stopped: Ctrl-C was pressed.
    """
    settings = configured(config, root=root)
    size = size or _size_for(settings)
    refuse_no_disk(derived(settings, size), size)  # an error within a second, before heavy imports
    from trainers.acceptance import checks

    console.print(f"testing with a model of size {size} and random weights", highlight=False)
    leave_on_sigterm()
    try:
        with Terminal(console) as terminal:
            found = checks.accept(settings, size, terminal)
    except KeyboardInterrupt:
        raise Stopped("the acceptance did not finish; its models and jobs were removed, run it again") from None
    console.print(_table(found))
    _print_plan(settings, found, price, console)
    console.print(f"results: {storage.join(settings.runtime.root, FILE)}", highlight=False)
    failed = [item.name for item in found.items if item.outcome == "fail"]
    if failed:
        raise RunFailed(f"not accepted: {', '.join(failed)}")


def _size_for(settings: PipelineConfig) -> str:
    """The size to test with: tiny on CPUs; on GPUs the size nearest to the config's model.

    Raises:
        BadInput: that model cannot be read on this machine.
    """
    if devices_of(settings).kind == "CPU":
        return "tiny"
    parameters = parameters_in(settings)
    if parameters is None:
        raise BadInput(f"the config's model cannot be read on this machine: give --size, one of {', '.join(SIZES)}")
    return min(SIZES, key=lambda name: abs(parameters_of(SIZES[name]) - parameters))


def _table(found: Acceptance) -> Table:
    title = f"acceptance of {found.config}: size {found.size}, {'; '.join(found.devices)}, {found.seconds:,.0f} s"
    table = Table(Column("item", no_wrap=True), Column("", no_wrap=True), "result", title=title)
    for item in found.items:
        table.add_row(item.name, f"[{_COLOURS[item.outcome]}]{item.outcome}[/]", item.detail)
    return table


def _print_plan(settings: PipelineConfig, found: Acceptance, price: float | None, console: Console) -> None:
    """Print the estimate for the whole config, including stages that exist already."""
    stages = stages_of(settings)
    estimates = Estimates(settings, stages, found)
    kind = found.rates.accelerator
    headings = ("hours", "days", f"{kind}-hours") + (("cost",) if price is not None and kind == "GPU" else ())
    table = Table(Column("stage", no_wrap=True), title=f"estimate for {settings.name}")
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for stage in stages:
        hours = estimates.hours(stage)
        if hours is not None:
            bound = "≤" if estimates.work(stage).is_bound else ""
            cost = (f"{bound}{hours.devices * price:,.2f}",) if price is not None and kind == "GPU" else ()
            clock, days, devices = (f"{bound}{n:,.2f}" for n in (hours.clock, hours.clock / 24, hours.devices))
            table.add_row(str(stage), clock, days, devices, *cost)
    console.print(table)
    for line in estimates.summary(stages, price):
        console.print(line, highlight=False)

"""`masksearch backfill`: runs the pipeline for several snapshots in turn; a failure does not stop the others."""

import re
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.rule import Rule

from flows.dated_dumps import dated
from flows.selection import configured
from schemas.config import PipelineConfig
from schemas.errors import BadInput, MaskSearchError, RunFailed, Stopped
from schemas.snapshot import wiki_of
from tasks.ledger.ledger import Ledger
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage
from tasks.pipeline.readiness import refuse_unready, unfinished

Mode = Literal["missing", "failed", "all"]

_WIDEST_RULE = 80
_DATE = re.compile(r"\d{8}")


def backfill(
    config: str,
    snapshots: list[str],
    since: str | None,
    until: str | None,
    root: str | None,
    mode: Mode,
    dry_run: bool,
    console: Console,
) -> None:
    """Run, or plan, the named snapshots, or those of the existing dumps dated from ``since`` to ``until``.

    Raises:
        BadInput: no snapshots or dates are given, or no dump exists in that time.
        RunFailed: some snapshots failed; the others were built.
    """
    from flows.planning import plan
    from flows.running import run

    named = _named(config, snapshots, since, until)
    chosen = [name for name in named if _is_chosen(configured(config, name, root), mode)]
    if not chosen:
        console.print(f"nothing to do: {', '.join(named)}: no stage is {mode}", highlight=False)
    # All snapshots are checked before the first one takes days.
    failed = {} if dry_run else _unready(config, chosen, root, console)
    for snapshot in [name for name in chosen if name not in failed]:
        console.print(Rule(snapshot), width=min(console.width, _WIDEST_RULE))
        try:
            if dry_run:
                plan(config, snapshot, root, None, False, console)
            else:
                run(config, snapshot, root, None, None, console)
        except Stopped:  # a request to stop one run ends the whole backfill, as Ctrl-C does
            raise
        except MaskSearchError as error:
            failed[snapshot] = _reported(snapshot, error, console)
    if failed:
        reasons = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise RunFailed(f"{len(failed)} of {len(chosen)} snapshots failed: {reasons}")


def _unready(config: str, snapshots: Sequence[str], root: str | None, console: Console) -> dict[str, MaskSearchError]:
    """The snapshots that cannot be built now, and why."""
    unready: dict[str, MaskSearchError] = {}
    for snapshot in snapshots:
        settings = configured(config, snapshot, root)
        try:
            refuse_unready(unfinished(settings, graph.stages_of(settings)))
        except MaskSearchError as error:
            unready[snapshot] = _reported(snapshot, error, console)
    return unready


def _reported(snapshot: str, error: MaskSearchError, console: Console) -> MaskSearchError:
    console.print(f"[red]✗[/] {snapshot}: {error}", highlight=False)
    return error


def _named(config: str, snapshots: list[str], since: str | None, until: str | None) -> list[str]:
    if bool(snapshots) == bool(since or until):
        raise BadInput("give either --snapshots, or the dates of their dumps: --since YYYYMMDD, --until YYYYMMDD")
    return snapshots or _between(configured(config), since or "00000000", until or "99999999")


def _between(config: PipelineConfig, since: str, until: str) -> list[str]:
    """Snapshots of the config's wiki whose dumps (or corpora) exist, oldest first."""
    for date in (since, until):
        if not _DATE.fullmatch(date):
            raise BadInput(f"{date}: not a date: give eight digits, as in 20261101")
    source = config.corpus.passages if config.corpus is not None else config.dump
    if source is None:
        raise BadInput("--since and --until find dumps by their date, but this config has no dump: use --snapshots")
    wiki = wiki_of(config.snapshot)
    found = [f"{wiki}-{date}" for date in dated(source, wiki) if since <= date <= until]
    if not found:
        raise BadInput(f"{source}: no {'dump' if config.dump else 'corpus'} of {wiki} exists from {since} to {until}")
    return found


def _is_chosen(config: PipelineConfig, mode: Mode) -> bool:
    """`missing`: a stage is not built; `failed`: a stage was begun and is not finished; `all`: always.

    A stage that was built with other inputs or settings counts as missing: its run will report what differs.
    """
    ledger = Ledger(config.runtime.root, config.snapshot)
    stages = graph.stages_of(config)
    if mode == "failed":
        return any(ledger.recipe(*stage.name) and not ledger.manifest(*stage.name) for stage in stages)
    return mode == "all" or not all(_is_finished(config, stage) for stage in stages)


def _is_finished(config: PipelineConfig, stage: Stage) -> bool:
    try:
        return graph.is_finished(config, stage)
    except BadInput:
        return False

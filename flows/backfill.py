"""`masksearch backfill`: the pipeline for several snapshots, one after the other; one that fails stops no other."""

import re
from collections.abc import Sequence
from typing import Literal

from rich.console import Console

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
    """Run, or plan, every snapshot that is named, or whose dump is there and dated from ``since`` to ``until``.

    Raises:
        BadInput: none is meant, or none is there.
        RunFailed: some failed; the others were built.
    """
    from flows.planning import plan
    from flows.running import run

    named = _named(config, snapshots, since, until)
    chosen = [name for name in named if _is_meant(configured(config, name, root), mode)]
    if not chosen:
        console.print(f"nothing to do: of {', '.join(named)} none has anything {mode}", highlight=False)
    # What one of them lacks is told before the work of days on another is begun.
    failed = {} if dry_run else _unready(config, chosen, root, console)
    for snapshot in [name for name in chosen if name not in failed]:
        console.rule(snapshot)
        try:
            if dry_run:
                plan(config, snapshot, root, None, False, console)
            else:
                run(config, snapshot, root, None, None, console)
        except Stopped:  # who stops one run means the rest as well, as with Ctrl-C
            raise
        except MaskSearchError as error:
            failed[snapshot] = _told(snapshot, error, console)
    if failed:
        reasons = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise RunFailed(f"{len(failed)} of {len(chosen)} snapshots failed: {reasons}")


def _unready(config: str, snapshots: Sequence[str], root: str | None, console: Console) -> dict[str, MaskSearchError]:
    """Those that cannot be built as things are, and why."""
    found: dict[str, MaskSearchError] = {}
    for snapshot in snapshots:
        settings = configured(config, snapshot, root)
        try:
            refuse_unready(unfinished(settings, graph.stages_of(settings)))
        except MaskSearchError as error:
            found[snapshot] = _told(snapshot, error, console)
    return found


def _told(snapshot: str, error: MaskSearchError, console: Console) -> MaskSearchError:
    console.print(f"[red]✗[/] {snapshot}: {error}", highlight=False)
    return error


def _named(config: str, snapshots: list[str], since: str | None, until: str | None) -> list[str]:
    if bool(snapshots) == bool(since or until):
        raise BadInput("name --snapshots, or the dates of their dumps: --since YYYYMMDD, --until YYYYMMDD")
    return snapshots or _between(configured(config), since or "00000000", until or "99999999")


def _between(config: PipelineConfig, since: str, until: str) -> list[str]:
    """Snapshots of the config's wiki whose dumps are there, oldest first."""
    for date in (since, until):
        if not _DATE.fullmatch(date):
            raise BadInput(f"{date}: a date is eight digits, as in 20261101")
    if config.dump is None:
        raise BadInput("--since and --until look for dumps by their date, and this config has no dump")
    wiki = wiki_of(config.snapshot)
    found = [f"{wiki}-{date}" for date in dated(config.dump, wiki) if since <= date <= until]
    if not found:
        raise BadInput(f"{config.dump}: no dump of {wiki} is there from {since} to {until}")
    return found


def _is_meant(config: PipelineConfig, mode: Mode) -> bool:
    """`missing`: something is yet to be built; `failed`: something was begun and is not finished; `all`: always.

    What was made in another way is yet to be built: its run will say what differs.
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

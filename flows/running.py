"""`masksearch run`: the flow from the command line, without a server of one's own, and the report at its end."""

import json
import os
import time

from rich.console import Console

from schemas.config import PipelineConfig
from tasks import graph, storage
from tasks.ledger import Ledger


def run(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    """Build what is missing, write the report, print the scorecard. Where all is there, nothing heavy is started."""
    began = time.time()
    from flows.selection import configured, wanted

    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    missing = [stage for stage in stages if not graph.is_finished(settings, stage)]
    if missing:
        console.print(f"{len(missing)} of {len(stages)} stages to build; the first is {missing[0]}")
        try:
            _flow(config, snapshot, root, dump, until, console)
        finally:
            _note_run(settings, time.time() - began)
    else:
        console.print(f"all {len(stages)} stages are built")
    _report(settings, console)


def _flow(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    for name, value in {**quiet, "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}.items():
        os.environ.setdefault(name, value)
    from flows.console import Terminal
    from flows.pipeline import pipeline
    from tasks import stages

    with Terminal(console) as terminal:
        stages.listeners.append(terminal)
        try:
            pipeline(config=config, snapshot=snapshot, root=root, dump=dump, until=until)
        finally:
            stages.listeners.remove(terminal)


def _runs(settings: PipelineConfig) -> str:
    return storage.join(settings.runtime.root, settings.snapshot, "runs.json")


def _read_runs(settings: PipelineConfig) -> list[float]:
    try:
        return json.loads(storage.read_bytes(_runs(settings)))
    except FileNotFoundError:
        return []


def _note_run(settings: PipelineConfig, seconds: float) -> None:
    """Remember how long this run took: the report's wall time is that of all runs that had work to do."""
    storage.write_bytes(_runs(settings), json.dumps([*_read_runs(settings), round(seconds, 1)]).encode())


def _report(settings: PipelineConfig, console: Console) -> None:
    """Print the scorecard; draw the report anew unless it tells of just these stages."""
    from tasks.report.document import current_report
    from tasks.report.summary import summary_table

    ledger = Ledger(settings.runtime.root, settings.snapshot)
    report = current_report(ledger, settings)
    if report is None:
        from tasks.report.page import write_report

        report = write_report(ledger, settings, sum(_read_runs(settings)))
    console.print(summary_table(report))
    console.print(f"report: {storage.join(settings.runtime.root, 'report.html')}")

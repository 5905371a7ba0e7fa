"""The report at the end of a run, and the record of how long runs with work to do took."""

import json
import time

import psutil

from schemas.config import PipelineConfig
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.document import Report, current_report

_counted_until = psutil.Process().create_time()


def note_run(config: PipelineConfig) -> None:
    """Record how long a run took, from the start of its process or the end of the process's previous run.

    The report's wall time is the sum over all runs that had work to do.
    """
    global _counted_until
    began, _counted_until = _counted_until, time.time()
    runs = [*_read_runs(config), round(_counted_until - began, 1)]
    storage.write_bytes(_runs(config), json.dumps(runs).encode())


def reported(config: PipelineConfig) -> Report:
    """The report on the existing stages; it is written again unless it is up to date."""
    ledger = Ledger(config.runtime.root, config.snapshot)
    report = current_report(ledger, config)
    if report is None:
        from tasks.report.page import write_report

        report = write_report(ledger, config, sum(_read_runs(config)))
    return report


def report_page(config: PipelineConfig) -> str:
    """The path of the snapshot's own report page; runs of other snapshots do not replace it."""
    return storage.join(config.runtime.root, config.snapshot, "report.html")


def _runs(config: PipelineConfig) -> str:
    return storage.join(config.runtime.root, config.snapshot, "runs.json")


def _read_runs(config: PipelineConfig) -> list[float]:
    try:
        seconds: list[float] = json.loads(storage.read_bytes(_runs(config)))
        return seconds
    except FileNotFoundError:
        return []

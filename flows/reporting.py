"""The report at the end of a run, however it was started; and how long all runs took that had work to do."""

import json
import time

import psutil

from schemas.config import PipelineConfig
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.document import Report, current_report

_counted_until = psutil.Process().create_time()


def note_run(config: PipelineConfig) -> None:
    """Remember how long a run took, from the start of its process or the end of the run before it.

    The report's wall time is that of all runs that had work to do.
    """
    global _counted_until
    began, _counted_until = _counted_until, time.time()
    runs = [*_read_runs(config), round(_counted_until - began, 1)]
    storage.write_bytes(_runs(config), json.dumps(runs).encode())


def reported(config: PipelineConfig) -> Report:
    """The report of what there is; it is drawn anew unless it tells of just that."""
    ledger = Ledger(config.runtime.root, config.snapshot)
    report = current_report(ledger, config)
    if report is None:
        from tasks.report.page import write_report

        report = write_report(ledger, config, sum(_read_runs(config)))
    return report


def report_page(config: PipelineConfig) -> str:
    """Where its page lies, which no other snapshot's run replaces."""
    return storage.join(config.runtime.root, config.snapshot, "report.html")


def _runs(config: PipelineConfig) -> str:
    return storage.join(config.runtime.root, config.snapshot, "runs.json")


def _read_runs(config: PipelineConfig) -> list[float]:
    try:
        return json.loads(storage.read_bytes(_runs(config)))
    except FileNotFoundError:
        return []

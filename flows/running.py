"""`masksearch run`: runs the flow from the command line, needs no Prefect server, and prints the scorecard."""

import logging
import os
import signal
import sys
from types import FrameType

from rich.console import Console

from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.errors import TERMINATED, Stopped


def run(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    """Build missing stages, write the report, print the scorecard."""
    from flows.reporting import report_page, reported
    from tasks.report.summary import summary_table

    settings = build(config, snapshot, root, dump, until, console)
    console.print(summary_table(reported(settings)))
    console.print(f"report: {report_page(settings)}", soft_wrap=True)  # unbroken, so that it can be copied


def build(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> PipelineConfig:
    """Build missing stages and write the report; returns the config. If nothing is missing, Prefect is not started."""
    from flows.selection import configured, wanted
    from tasks.ledger import storage
    from tasks.pipeline.readiness import refuse_unready, unfinished

    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    missing = unfinished(settings, stages)
    if missing:
        refuse_unready(missing)  # the flow checks too, but takes seconds to start
        storage.make_root(settings.runtime.root)
        console.print(f"{len(missing)} of {counted(len(stages), 'stage')} to build; the first is {missing[0]}")
        _flow(config, settings.snapshot, root, dump, until, console)
    else:
        console.print("the only stage is built" if len(stages) == 1 else f"all {len(stages)} stages are built")
    return settings


def _flow(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    # On a slow machine Prefect would print warnings about its last events after the line with the error.
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
    from prefect.exceptions import CancelledRun, Pause

    from flows.console import Terminal
    from flows.pipeline import pipeline
    from flows.server import server_of_this_run
    from tasks.pipeline import prefect_tasks

    leave_on_sigterm()
    with server_of_this_run(), Terminal(console) as terminal:
        prefect_tasks.listeners.append(terminal)
        try:
            pipeline(config=config, snapshot=snapshot, root=root, dump=dump, until=until)
        except CancelledRun as stopped:
            raise Stopped(str(stopped)) from None
        except Pause:
            raise Stopped("the run was suspended on its Prefect server; run again to continue") from None
        finally:
            prefect_tasks.listeners.remove(terminal)


def leave_on_sigterm() -> None:
    """Let SIGTERM end the process with cleanup, like Ctrl-C; by default the process would leave its jobs running."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)

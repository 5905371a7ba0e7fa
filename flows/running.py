"""`masksearch run`: the flow from the command line, without a server of one's own, and the scorecard at its end."""

import logging
import os
import signal
import sys
from types import FrameType

from rich.console import Console

from schemas.errors import TERMINATED, Stopped


def run(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    """Build what is missing, write the report, print the scorecard. Where all is there, nothing heavy is started."""
    from flows.reporting import report_page, reported
    from flows.selection import configured, wanted
    from tasks.ledger import storage
    from tasks.pipeline.readiness import refuse_unready, unfinished
    from tasks.report.summary import summary_table

    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    missing = unfinished(settings, stages)
    if missing:
        refuse_unready(missing)  # here, too: a flow has to start first
        storage.make_root(settings.runtime.root)
        console.print(f"{len(missing)} of {len(stages)} stages to build; the first is {missing[0]}")
        _flow(config, settings.snapshot, root, dump, until, console)
    else:
        console.print(f"all {len(stages)} stages are built")
    console.print(summary_table(reported(settings)))
    console.print(f"report: {report_page(settings)}", soft_wrap=True)  # a path that is to be copied


def _flow(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    for name, value in quiet.items():
        os.environ.setdefault(name, value)
    # Where the machine is slow, Prefect would warn of its last events below the line that says what is wrong.
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
            raise Stopped("the run was suspended on its Prefect server; run again to go on") from None
        finally:
            prefect_tasks.listeners.remove(terminal)


def leave_on_sigterm() -> None:
    """SIGTERM ends the process in order, like Ctrl-C; by default it would end without a word, and leave its jobs."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(TERMINATED)

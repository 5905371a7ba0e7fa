"""`masksearch run`: the flow from the command line, without a server of one's own, and the scorecard at its end."""

import logging
import os

from rich.console import Console

from tasks import graph


def run(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    """Build what is missing, write the report, print the scorecard. Where all is there, nothing heavy is started."""
    from flows.reporting import report_page, reported
    from flows.selection import configured, wanted
    from tasks.corpus.dumps import find_dump
    from tasks.report.summary import summary_table

    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    missing = [stage for stage in stages if not graph.is_finished(settings, stage)]
    if missing:
        if settings.dump_path is not None and missing[0].stage == "dump":
            find_dump(settings.dump_path)  # a path that is wrong is told at once, not by a flow that has to start first
        console.print(f"{len(missing)} of {len(stages)} stages to build; the first is {missing[0]}")
        _flow(config, snapshot, root, dump, until, console)
    else:
        console.print(f"all {len(stages)} stages are built")
    console.print(summary_table(reported(settings)))
    console.print(f"report: {report_page(settings)}")


def _flow(
    config: str, snapshot: str | None, root: str | None, dump: str | None, until: str | None, console: Console
) -> None:
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    for name, value in {**quiet, "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}.items():
        os.environ.setdefault(name, value)
    # Where the machine is slow, Prefect would warn of its last events below the line that says what is wrong.
    logging.getLogger("EventsWorker").setLevel(logging.ERROR)
    from flows.console import Terminal
    from flows.pipeline import pipeline
    from tasks import stages

    with Terminal(console) as terminal:
        stages.listeners.append(terminal)
        try:
            pipeline(config=config, snapshot=snapshot, root=root, dump=dump, until=until)
        finally:
            stages.listeners.remove(terminal)

"""The pipeline's flow: every stage of a config, each after those it is made from, resuming what is there."""

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from flows.reporting import note_run, report_page, reported
from flows.selection import configured, wanted
from schemas.config import PipelineConfig
from tasks.readiness import refuse_unready, unfinished
from tasks.report.summary import scorecard_markdown
from tasks.stages import artifact_key, task_of


def _run_name() -> str:
    """``sample smallworld-20260101``, and what it is built until."""
    given = flow_run.get_parameters()
    settings = configured(given["config"], given["snapshot"], given["root"], given["dump"])
    return " ".join(filter(None, [settings.name, settings.snapshot, given["until"]]))


@flow(name="masksearch", flow_run_name=_run_name, validate_parameters=False, retries=0)
def pipeline(
    config: str,
    snapshot: str | None = None,
    root: str | None = None,
    dump: str | None = None,
    until: str | None = None,
) -> None:
    """Build what is missing, and report. Stages run one after the other here: Ctrl-C reaches the one at work."""
    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    refuse_unready(settings, unfinished(settings, stages))
    states: dict[tuple[str, str], Any] = {}
    try:
        for stage in stages:
            upstreams = [states[name] for name in stage.upstreams]
            state = task_of(stage)(settings, stage, wait_for=upstreams, return_state=True)
            state.result()  # raises what the stage raised
            states[stage.name] = state
    finally:
        note_run(settings)
    _publish(settings)


def _publish(settings: PipelineConfig) -> None:
    """Write the report, and show its scorecard on the dashboard."""
    words = f"{scorecard_markdown(reported(settings))}\n\nReport: `{report_page(settings)}`"
    create_markdown_artifact(words, key=artifact_key(settings.snapshot, "scorecard"), description=settings.name)

"""The pipeline's flow: builds every stage of a config after its upstreams, and resumes unfinished ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled

from flows.interruption import Interruption
from flows.reporting import note_run, report_page, reported
from flows.selection import configured, wanted
from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import Stage
from tasks.pipeline.prefect_tasks import artifact_key, task_of
from tasks.pipeline.readiness import refuse_unready, unfinished
from tasks.report.summary import scorecard_markdown


def _run_name() -> str:
    """The config's name, the snapshot, and the last group of stages, such as ``sample smallworld-20260101 sft``.

    If parameters are invalid, it is made from them as given. An error here would be a crash to Prefect; the flow itself
    reports it properly.
    """
    given = flow_run.get_parameters()
    try:
        settings = configured(given.get("config"), given.get("snapshot"), given.get("root"), given.get("dump"))
    except BadInput:
        words = [Path(str(given.get("config"))).stem, given.get("snapshot"), given.get("until")]
    else:
        words = [settings.name, settings.snapshot, given.get("until")]
    return " ".join(str(word) for word in words if word)


@flow(name="masksearch", flow_run_name=_run_name, validate_parameters=False, retries=0)
def pipeline(
    config: str,
    snapshot: str | None = None,
    root: str | None = None,
    dump: str | None = None,
    until: str | None = None,
) -> State | None:
    """Build missing stages and write the report. Stages run in this process one by one, so that Ctrl-C reaches them.

    A stopped run ends as Cancelled, whether it was stopped at its terminal, on the server, or by `masksearch stop`.
    """
    settings = configured(config, snapshot, root, dump)
    stages = wanted(settings, until)
    refuse_unready(unfinished(settings, stages))
    interruption = Interruption(UUID(flow_run.get_id()))
    try:
        _build(settings, stages, interruption)
    except KeyboardInterrupt:
        return interruption.outcome()
    except CancelledRun as stopped:
        return Cancelled(message=str(stopped))
    finally:
        interruption.leave()
        note_run(settings)
    _publish(settings)
    return None


def _build(settings: PipelineConfig, stages: Sequence[Stage], interruption: Interruption) -> None:
    ledger = Ledger(settings.runtime.root, settings.snapshot)
    states: dict[tuple[str, str], Any] = {}
    with interruption:
        for stage in stages:
            interruption.watch(ledger.folder(*stage.name))
            upstreams = [states[name] for name in stage.upstreams]
            state = task_of(stage)(settings, stage, wait_for=upstreams, return_state=True)
            state.result()  # raises the stage's error, or CancelledRun if it was stopped
            states[stage.name] = state


def _publish(settings: PipelineConfig) -> None:
    """Write the report, and show its scorecard on the dashboard."""
    words = f"{scorecard_markdown(reported(settings))}\n\nReport: `{report_page(settings)}`"
    create_markdown_artifact(words, key=artifact_key(settings.snapshot, "scorecard"), description=settings.name)

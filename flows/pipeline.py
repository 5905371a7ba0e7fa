"""The pipeline's flow: every stage of a config, each after those it is made from, resuming what is there."""

from typing import Any

from prefect import flow

from flows.selection import configured, wanted
from tasks.stages import task_of


@flow(name="masksearch", flow_run_name="{config} {snapshot}", validate_parameters=False)
def pipeline(
    config: str,
    snapshot: str | None = None,
    root: str | None = None,
    dump: str | None = None,
    until: str | None = None,
) -> None:
    """Build what is missing. Stages run one after the other in this process, so that Ctrl-C reaches the one at work."""
    settings = configured(config, snapshot, root, dump)
    states: dict[tuple[str, str], Any] = {}
    for stage in wanted(settings, until):
        upstreams = [states[name] for name in stage.upstreams]
        state = task_of(stage)(settings, stage, wait_for=upstreams, return_state=True)
        state.result()  # raises what the stage raised
        states[stage.name] = state

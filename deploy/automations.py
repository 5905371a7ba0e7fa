"""The Prefect server's automation for the pipeline's runs. Register it once: ``python -m deploy.automations``.

A flow run whose process was killed cannot report it: the run would stay Running, and a deployment that allows one run
at a time would never run again. Therefore runs of deployments send heartbeats (enabled in ``prefect.yaml``). The
automation sets a silent run to Crashed, and the next run continues from the finished parts on disk.
"""

import sys
from datetime import timedelta
from typing import cast

from prefect.automations import Automation, EventTrigger, Posture, ResourceSpecification
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.settings import PREFECT_API_URL

from flows.interruption import LEFT
from schemas.errors import BadInput

NAME = "masksearch: a silent run has crashed"
SILENCE = timedelta(seconds=100)
"""Longer than three intervals between heartbeats (``prefect.yaml``)."""


def silent_runs_crash() -> Automation:
    """The automation: a run of the flow ``masksearch`` crashed if no event of it follows a heartbeat in `SILENCE`.

    Such an event is another heartbeat or a change of state, because a run that ended, waits, or was suspended, paused
    or cancelled is silent with good reason. A suspended run sends heartbeats until its process leaves, which it reports
    with the event `LEFT`.
    """
    return Automation(
        name=NAME,
        description="Sets a flow run to Crashed if its process stops sending heartbeats.",
        trigger=EventTrigger(
            match=ResourceSpecification.model_validate({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification.model_validate(
                {"prefect.resource.role": "flow", "prefect.resource.name": "masksearch"}
            ),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*", LEFT},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                state=StateType.CRASHED,
                message=f"No heartbeat for {SILENCE.seconds} seconds",
                force=False,
            )
        ],
    )


def register() -> str:
    """Create or update the automation on the server of PREFECT_API_URL; returns a line that says which it was.

    Raises:
        BadInput: PREFECT_API_URL is not set; Prefect would use a server that ends with this process.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise BadInput("PREFECT_API_URL is not set: set it to the server's address, such as http://127.0.0.1:4200/api")
    wanted = silent_runs_crash()
    try:
        existing = cast(Automation, Automation.read(name=NAME))
    except ValueError:
        wanted.create()
        return f"registered at {url}: {NAME}"
    wanted.id = existing.id
    wanted.update()
    return f"updated at {url}: {NAME}"


if __name__ == "__main__":
    try:
        print(register())
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

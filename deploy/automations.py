"""What a Prefect server does by itself for the pipeline's runs: ``python -m deploy.automations``, once a server.

A flow run whose process was killed tells its server nothing: it would stay Running, and a deployment that allows one
run at a time would never run again. Runs of deployments send heartbeats (``prefect.yaml`` asks for them); one that
falls silent is set to Crashed, and the next goes on from what lies on disk.
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
"""Three heartbeats."""


def silent_runs_crash() -> Automation:
    """Of the flow ``masksearch``: a heartbeat after which no news of the run follows.

    News are another heartbeat and every change of its state: a run that ended, waits, or was suspended, paused or
    cancelled is silent with good reason. One that was suspended beats until it has left, which it says.
    """
    return Automation(
        name=NAME,
        description="Sets a flow run to Crashed whose process does not send heartbeats any more.",
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
    """Make the automation on the server of PREFECT_API_URL, or bring the one that is there up to date; what was done.

    Raises:
        BadInput: no server is named; Prefect would start one that ends with this process.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise BadInput("PREFECT_API_URL is not set: give a server's address, as in http://127.0.0.1:4200/api")
    wanted = silent_runs_crash()
    try:
        there = cast(Automation, Automation.read(name=NAME))
    except ValueError:
        wanted.create()
        return f"registered at {url}: {NAME}"
    wanted.id = there.id
    wanted.update()
    return f"brought up to date at {url}: {NAME}"


if __name__ == "__main__":
    try:
        print(register())
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

"""The automation on a real server: only a silent run that should be at work is set to Crashed."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from flows.interruption import LEFT
from tests.support.prefect_server import ROOT, running_server

pytestmark = pytest.mark.slow

SILENCE = 20
"""Seconds."""
REGISTER = f"""
from datetime import timedelta
from deploy import automations
automations.SILENCE = timedelta(seconds={SILENCE})
automations.register()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("prefect")) as environment:
        subprocess.run([sys.executable, "-c", REGISTER], cwd=ROOT, env=environment, check=True)
        time.sleep(3)  # the server loads a new automation with a delay
        with httpx.Client(base_url=f"{environment['PREFECT_API_URL']}/", timeout=60) as client:
            yield client


@pytest.fixture(scope="module")
def flow(server):
    return asked(server, "flows/", {"name": "masksearch"})["id"]


def asked(server, path, body):
    """The answer; a server with SQLite refuses requests for a moment while it stores many events."""
    for _ in range(30):
        answer = server.post(path, json=body)
        if answer.status_code != 503:
            break
        time.sleep(1)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def state(kind, name):
    later = {"scheduled_time": "2099-01-01T00:00:00Z"} if kind == "SCHEDULED" else {}
    return {"type": kind, "name": name, "state_details": later}


def begun(server, flow):
    """A run that has begun, and sent one heartbeat."""
    run = asked(server, "flow_runs/", {"flow_id": flow, "state": state("PENDING", "Pending")})["id"]
    change(server, run, "RUNNING", "Running")
    time.sleep(0.2)
    emit(server, flow, run, "prefect.flow-run.heartbeat")
    time.sleep(2)  # simultaneous events may arrive in another order
    return run


def emit(server, flow, run, event):
    related = [{"prefect.resource.id": f"prefect.flow.{flow}", "prefect.resource.role": "flow"}]
    related[0]["prefect.resource.name"] = "masksearch"
    message = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": related,
    }
    asked(server, "events", [message])


def change(server, run, kind, name):
    body = {"state": state(kind, name), "force": True}
    assert asked(server, f"flow_runs/{run}/set_state", body)["status"] == "ACCEPT"


def test_only_a_silent_run_that_is_at_work_crashes(server, flow):
    resting = {
        "Suspended": "PAUSED",
        "Paused": "PAUSED",
        "Cancelling": "CANCELLING",
        "Cancelled": "CANCELLED",
        "Failed": "FAILED",
        "TimedOut": "FAILED",
        "AwaitingRetry": "SCHEDULED",
        "Resuming": "SCHEDULED",
    }
    runs = {}
    for name, kind in resting.items():
        runs[name] = begun(server, flow)
        change(server, runs[name], kind, name)
    runs |= {name: begun(server, flow) for name in ("silent", "beating", "saving")}
    change(server, runs["saving"], "PAUSED", "Suspended")
    time.sleep(2)
    emit(server, flow, runs["saving"], "prefect.flow-run.heartbeat")  # it saves its job's state first
    time.sleep(2)
    emit(server, flow, runs["saving"], LEFT)
    deadline = time.monotonic() + 3 * SILENCE + 20
    while time.monotonic() < deadline:
        emit(server, flow, runs["beating"], "prefect.flow-run.heartbeat")
        time.sleep(3)
    ended = {name: server.get(f"flow_runs/{run}").json()["state"] for name, run in runs.items()}
    assert {name for name, found in ended.items() if found["type"] == "CRASHED"} == {"silent"}
    assert ended["silent"]["message"] == f"No heartbeat for {SILENCE} seconds"
    assert ended["saving"]["name"] == "Suspended"
    assert ended["beating"]["name"] == "Running"

"""`prefect deploy --all` on a real server: a schedule that was switched on there stays on."""

import httpx
import pytest

from tests.support.prefect_server import prefect, running_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("prefect")) as environment:
        prefect(environment, "work-pool", "create", "masksearch", "--type", "process")
        yield environment


def deployed(server):
    prefect(server, "deploy", "--all")
    return monthly(server)


def monthly(server):
    return httpx.get(f"{server['PREFECT_API_URL']}/deployments/name/masksearch/monthly").json()


def switch(server, deployment, active):
    (schedule,) = deployment["schedules"]
    url = f"{server['PREFECT_API_URL']}/deployments/{deployment['id']}/schedules/{schedule['id']}"
    httpx.patch(url, json={"active": active}).raise_for_status()


def states(deployment):
    return [(schedule["slug"], schedule["active"]) for schedule in deployment["schedules"]]


def test_a_schedule_is_off_at_first_and_then_as_it_was_switched(server):
    assert states(deployed(server)) == [("monthly", False)]
    for active in (True, False):
        switch(server, monthly(server), active)
        assert states(deployed(server)) == [("monthly", active)]


def test_a_schedule_of_an_earlier_version_without_a_slug_stays_on(server):
    deployment = deployed(server)
    url = f"{server['PREFECT_API_URL']}/deployments/{deployment['id']}/schedules"
    (schedule,) = deployment["schedules"]
    httpx.delete(f"{url}/{schedule['id']}").raise_for_status()
    cron = {"schedule": {"cron": "0 6 8 * *", "timezone": "UTC"}, "active": True}
    httpx.post(url, json=[cron]).raise_for_status()
    assert states(deployed(server)) == [("monthly", True)]


def test_nothing_starts_to_run_by_itself_and_other_changes_are_overwritten(server):
    deployment = deployed(server)
    switch(server, deployment, True)
    url = f"{server['PREFECT_API_URL']}/deployments/{deployment['id']}"
    httpx.post(f"{url}/pause_deployment").raise_for_status()
    httpx.patch(url, json={"tags": ["mine"], "parameters": {"config": "mine.yaml"}}).raise_for_status()
    again = deployed(server)
    assert states(again) == [("monthly", False)], "Prefect has resumed the deployment"
    assert again["tags"] == ["enwiki", "monthly"]
    assert again["parameters"] == {"config": "deploy/configs/enwiki.yaml", "snapshot": "latest"}

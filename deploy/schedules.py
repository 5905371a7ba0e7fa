"""A build step of ``prefect.yaml``: when a deployment is registered again, its schedules stay on or off."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


def as_on_server(deployment: str) -> dict[str, bool]:
    """Whether each schedule of the deployment (``flow/name``) is on, by the schedule's slug.

    A schedule without a slug, which an earlier ``prefect.yaml`` created, has the deployment's name as key. So has a
    schedule that does not exist yet, which is off. Registering a paused deployment again resumes it, so the schedules
    of a paused deployment are off: otherwise it would start to run by itself.
    """
    name = deployment.rpartition("/")[2]
    with get_client(sync_client=True) as client:
        try:
            existing = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return {name: False}
    return {name: False} | {each.slug or name: each.active and not existing.paused for each in existing.schedules}

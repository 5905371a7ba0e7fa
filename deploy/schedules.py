"""A build step of ``prefect.yaml``: a deployment that is registered again keeps its schedules on, or off."""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


def as_on_server(deployment: str) -> dict[str, bool]:
    """Whether the server runs the deployment (``flow/name``) by each of its schedules, which go by their slugs.

    A schedule without a slug, as an earlier ``prefect.yaml`` made it, goes by the deployment's own name; so does one
    that is not there yet, which is off. Prefect resumes a paused deployment when it is registered again: those of a
    paused one are off, so that nothing begins to run by itself.
    """
    name = deployment.rpartition("/")[2]
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return {name: False}
    return {name: False} | {each.slug or name: each.active and not found.paused for each in found.schedules}

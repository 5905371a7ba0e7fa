"""Jobs as RayJobs of the KubeRay operator, through ``kubectl``. Each job has its own cluster, which ends with it."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from schemas.runtime import KubeRayJobs
from tasks.jobs.backend import State, Status, Unreachable, attempt_on_cluster, entry_point
from tasks.jobs.manifest import ray_job, to_yaml

_KUBECTL_SECONDS = 60
_TERMINAL = ("Complete", "Failed", "ValidationFailed")
_SUSPENDED = ("Suspending", "Suspended")


class KubeRayBackend:
    """See `backend.Backend`. A handle is the RayJob's name."""

    def __init__(self, runtime: KubeRayJobs) -> None:
        self._runtime = runtime

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        name, runs = attempt_on_cluster(output, number, self._find)
        note(name)
        if not runs:
            manifest = ray_job(name, entry_point(module, output, self._runtime), output, self._runtime)
            self._kubectl("apply", "-f", "-", stdin=to_yaml(manifest))

    def status(self, handle: str) -> Status:
        return self._find(handle) or Status(State.ENDED, "does not exist in its Kubernetes cluster: it was deleted")

    def kill(self, handle: str) -> None:
        self._kubectl("delete", "rayjob", handle, "--ignore-not-found", "--wait=true")

    def _find(self, name: str) -> Status | None:
        description = self._kubectl("get", "rayjob", name, "--ignore-not-found", "-o", "json")
        return _status(json.loads(description).get("status") or {}) if description.strip() else None

    def _kubectl(self, *words: str, stdin: str | None = None) -> str:
        command = ["kubectl", "--namespace", self._runtime.namespace, *words]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, check=False, timeout=_KUBECTL_SECONDS
            )
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise Unreachable(f"kubectl {words[0]} failed: {error}") from None
        if done.returncode != 0:
            raise Unreachable(f"kubectl {words[0]} failed: {' '.join(done.stderr.split())}")
        return done.stdout


def _status(reported: dict[str, Any]) -> Status:
    """The state from the operator's report: ``jobDeploymentStatus`` is of cluster and job, ``jobStatus`` is Ray's.

    A suspended job waits for a queue (Kueue), or for the user who suspended it.
    """
    deployment, job = reported.get("jobDeploymentStatus", ""), reported.get("jobStatus", "")
    if deployment in _TERMINAL or job in ("SUCCEEDED", "FAILED", "STOPPED"):
        words = " ".join(str(reported.get("message") or reported.get("reason") or job or deployment).split())
        return Status(State.ENDED, f"was ended on Kubernetes: {words}")
    if job == "RUNNING" and deployment not in _SUSPENDED:
        return Status(State.RUNNING)
    return Status(State.WAITING, deployment or "not seen by the operator yet")

"""Jobs as RayJobs of the KubeRay operator, through ``kubectl``: a cluster for each, which ends with it."""

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
        name, is_there = attempt_on_cluster(output, number, self._find)
        note(name)
        if not is_there:
            manifest = ray_job(name, entry_point(module, output, self._runtime), output, self._runtime)
            self._kubectl("apply", "-f", "-", stdin=to_yaml(manifest))

    def status(self, handle: str) -> Status:
        return self._find(handle) or Status(State.ENDED, "is unknown to its Kubernetes cluster: it was deleted")

    def kill(self, handle: str) -> None:
        self._kubectl("delete", "rayjob", handle, "--ignore-not-found", "--wait=true")

    def _find(self, name: str) -> Status | None:
        found = self._kubectl("get", "rayjob", name, "--ignore-not-found", "-o", "json")
        return _status(json.loads(found).get("status") or {}) if found.strip() else None

    def _kubectl(self, *words: str, stdin: str | None = None) -> str:
        command = ["kubectl", "--namespace", self._runtime.namespace, *words]
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, check=False, timeout=_KUBECTL_SECONDS
            )
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            raise Unreachable(f"kubectl {words[0]}: {error}") from None
        if done.returncode != 0:
            raise Unreachable(f"kubectl {words[0]}: {' '.join(done.stderr.split())}")
        return done.stdout


def _status(told: dict[str, Any]) -> Status:
    """What the operator says: ``jobDeploymentStatus`` is that of cluster and job, ``jobStatus`` Ray's own.

    A suspended one waits: for a queue (Kueue), or for whoever suspended it.
    """
    deployment, job = told.get("jobDeploymentStatus", ""), told.get("jobStatus", "")
    if deployment in _TERMINAL or job in ("SUCCEEDED", "FAILED", "STOPPED"):
        words = " ".join(str(told.get("message") or told.get("reason") or job or deployment).split())
        return Status(State.ENDED, f"was ended on Kubernetes: {words}")
    if job == "RUNNING" and deployment not in _SUSPENDED:
        return Status(State.RUNNING)
    return Status(State.WAITING, deployment or "not seen by the operator yet")

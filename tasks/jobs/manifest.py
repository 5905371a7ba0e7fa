"""The RayJob (ray.io/v1) of a job: plain data that depends on the settings alone.

``deploy/kubernetes/rayjob.schema.json`` defines the allowed fields.
"""

from pathlib import Path
from typing import Any

import yaml

from schemas.runtime import KubeRayJobs, PodRuntime


def ray_job(name: str, entry_point: str, output: str, runtime: KubeRayJobs) -> dict[str, Any]:
    """A RayJob that runs the entry point once, on its own cluster, which is deleted at the end.

    It restarts nothing, because that is the watcher's task (tasks/jobs/watching.py).
    """
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {
            "name": name,
            "namespace": runtime.namespace,
            "labels": {"app.kubernetes.io/name": "masksearch"},
            "annotations": {"masksearch/output": str(Path(output).absolute())},
        },
        "spec": {
            "entrypoint": entry_point,
            "entrypointNumCpus": runtime.cpus,
            "entrypointNumGpus": runtime.gpus,
            "jobId": name,
            # In this mode the operator submits the job. A submitter pod would add its own retries.
            "submissionMode": "HTTPMode",
            "backoffLimit": 0,
            "shutdownAfterJobFinishes": True,
            "rayClusterSpec": _cluster(runtime),
        },
    }


def to_yaml(manifest: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(manifest, sort_keys=False, width=120)
    return text


def _cluster(runtime: KubeRayJobs) -> dict[str, Any]:
    return {
        "rayVersion": runtime.ray_version,
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0"},
            "template": _pod("ray-head", runtime.head, runtime),
        },
        "workerGroupSpecs": [
            {
                "groupName": group.name,
                "replicas": group.replicas,
                "minReplicas": group.replicas,
                "maxReplicas": group.replicas,
                "rayStartParams": {},
                "template": _pod("ray-worker", group, runtime),
            }
            for group in runtime.workers
        ],
    }


def _pod(container: str, pod: PodRuntime, runtime: KubeRayJobs) -> dict[str, Any]:
    resources: dict[str, Any] = {"cpu": str(pod.cpus), "memory": f"{pod.memory_gb}Gi"}
    if pod.gpus:
        resources["nvidia.com/gpu"] = str(pod.gpus)
    spec: dict[str, Any] = {
        "containers": [
            {
                "name": container,
                "image": runtime.image,
                "resources": {"requests": resources, "limits": dict(resources)},
                "volumeMounts": [
                    {"name": "shared", "mountPath": runtime.mount},
                    {"name": "shm", "mountPath": "/dev/shm"},
                ],
            }
        ],
        "volumes": [
            {"name": "shared", "persistentVolumeClaim": {"claimName": runtime.volume_claim}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{pod.shared_memory_gb}Gi"}},
        ],
    }
    if runtime.secret:
        spec["containers"][0]["envFrom"] = [{"secretRef": {"name": runtime.secret}}]
    if pod.node_selector:
        spec["nodeSelector"] = pod.node_selector
    if pod.tolerations:
        spec["tolerations"] = [toleration.model_dump(exclude_none=True) for toleration in pod.tolerations]
    if runtime.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in runtime.image_pull_secrets]
    if runtime.service_account:
        spec["serviceAccountName"] = runtime.service_account
    return {"spec": spec}

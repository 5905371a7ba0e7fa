"""Stands for a Ray cluster in the tests of tasks/jobs: it runs entry points for real, and says what became of them.

Everything is in files of a folder, so that every process of a test sees the same cluster. Only the servers in front of
it are played: Ray's job server by `RayHead`, KubeRay behind ``kubectl`` by this module as a program:

    python -m tests.support.cluster FOLDER --namespace NAMESPACE apply|get|delete …
"""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

RAY = "2.60.0"


class Cluster:
    """Jobs by name: ``NAME.json`` is what was asked for, ``NAME.pid`` its process group, ``NAME.code`` how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def asked(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{name}.json").read_text())

    def run(self, name: str, entry_point: str, asked: dict[str, Any]) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(asked))
        script = f"sh -c {shlex.quote(entry_point)}; echo $? > {shlex.quote(str(self.folder / name))}.code"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MASKSEARCH_JOB")}
        silent: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        process = subprocess.Popen(["sh", "-c", script], start_new_session=True, env=environment, **silent)
        (self.folder / f"{name}.pid").write_text(str(process.pid))

    def code(self, name: str) -> int | None:
        """The exit code of an ended job, as a shell tells it."""
        path = self.folder / f"{name}.code"
        text = path.read_text().strip() if path.exists() else ""
        return int(text) if text else None

    def kill(self, name: str) -> None:
        with suppress(ProcessLookupError):
            os.killpg(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)
        (self.folder / f"{name}.code").write_text("137")


class RayHead:
    """The job server's side of Ray Jobs: a play for `tests.support.http_server`."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder)
        self.asked_for: list[str] = []
        """Paths of all requests."""

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked_for.append(path)
        if path == "/api/version":
            return 200, {"version": "4", "ray_version": RAY, "ray_commit": ""}
        name = path.removeprefix("/api/jobs/").removesuffix("/stop")
        if not name:
            return self._submit(body)
        if name not in self.cluster.names():
            return 404, f"Job {name} does not exist"
        if path.endswith("/stop"):
            self.cluster.kill(name)
            return 200, {"stopped": True}
        return 200, self._details(name)

    def _submit(self, body: dict[str, Any]) -> tuple[int, Any]:
        name = body["submission_id"]
        if name in self.cluster.names():
            return 500, f"Job with submission_id {name} already exists."
        self.cluster.run(name, body["entrypoint"], body)
        return 200, {"job_id": name, "submission_id": name}

    def _details(self, name: str) -> dict[str, Any]:
        code, entry_point = self.cluster.code(name), self.cluster.asked(name)["entrypoint"]
        status = "RUNNING" if code is None else "FAILED" if code else "SUCCEEDED"
        details = {"type": "SUBMISSION", "submission_id": name, "status": status, "entrypoint": entry_point}
        return details | {"driver_exit_code": code}


def kubectl(folder: Path, words: list[str]) -> None:
    """What ``kubectl`` does with RayJobs, as far as tasks/jobs/kuberay.py asks it to."""
    cluster, verb = Cluster(folder), words[2]
    with (folder / "calls").open("a") as calls:
        calls.write(f"{shlex.join(words)}\n")
    if verb == "apply":
        manifest = yaml.safe_load(sys.stdin)
        name = manifest["metadata"]["name"]
        if name not in cluster.names():
            cluster.run(name, manifest["spec"]["entrypoint"], manifest)
        return
    name = words[4]
    if name not in cluster.names():
        return
    if verb == "delete":
        cluster.kill(name)
        (folder / f"{name}.json").unlink()
        return
    code = cluster.code(name)
    running = {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}
    ended = {"jobStatus": "FAILED" if code else "SUCCEEDED", "jobDeploymentStatus": "Failed" if code else "Complete"}
    ended["message"] = f"Job entrypoint command failed with exit code {code}"
    print(json.dumps({"kind": "RayJob", "status": running if code is None else ended}))


if __name__ == "__main__":
    kubectl(Path(sys.argv[1]), sys.argv[2:])

"""A real Prefect server and workers of it, for as long as a test needs them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from tasks.capacity.processes import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@contextmanager
def running_server(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a client of a server of its own, which is stopped at the end."""
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 180
        while not _healthy(environment["PREFECT_API_URL"]):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.5)
        yield environment
    finally:
        process.terminate()
        process.wait(timeout=60)


def prefect(environment: dict[str, str], *words: str, **options: Any) -> None:
    """A command of Prefect's own, from the project's folder."""
    command = [BIN / "prefect", "--no-prompt", *words]
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, **options)


@contextmanager
def running_worker(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the pool `masksearch`, started elsewhere than in the project's folder."""
    worker = subprocess.Popen(
        [BIN / "prefect", "worker", "start", "--pool", "masksearch"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield worker
    finally:
        worker.kill()  # told to end, it may wait for minutes
        worker.wait(timeout=60)


def kill_with_children(worker: subprocess.Popen[bytes], but: str = "") -> None:
    """By SIGKILL; those of its children that have ``but`` in their command go on."""
    family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    spared = [child for child in family if but and but in " ".join(child.cmdline())]
    for child in family:
        if child not in spared:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    worker.wait()


def states_of_runs(environment: dict[str, str]) -> list[str]:
    """Of all flow runs on the server."""
    runs = httpx.post(f"{environment['PREFECT_API_URL']}/flow_runs/filter", json={}).json()
    return [run["state_type"] for run in runs]


def crash_runs(environment: dict[str, str]) -> None:
    """Set every flow run that is under way to crashed, as an operator does whose worker was killed."""
    url = environment["PREFECT_API_URL"]
    wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}}
    for run in httpx.post(f"{url}/flow_runs/filter", json=wanted).json():
        state = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
        httpx.post(f"{url}/flow_runs/{run['id']}/set_state", json=state).raise_for_status()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.HTTPError:
        return False

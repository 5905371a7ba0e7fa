"""The head of a Ray cluster as `ray start --head` starts it, with its job server and its token."""

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from tasks.capacity.processes import free_port

RAY = Path(sys.executable).with_name("ray")


@contextlib.contextmanager
def running_head() -> Iterator[dict[str, str]]:
    """What a client's environment says of the head: RAY_API_SERVER_ADDRESS and its token."""
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # a short path: Ray's sockets lie below it
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = ["--head", "--block", "--disable-usage-stats", "--num-cpus=4", "--include-dashboard=true"]
    ports = {"port": free_port(), "dashboard-port": port, "dashboard-agent-listen-port": free_port()}
    words += [f"--{name}={value}" for name, value in ports.items()]
    words += [f"--ray-client-server-port={free_port()}", f"--temp-dir={folder}"]
    environment = {**os.environ, **token, "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300"}  # it has ten processes of its own
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen([RAY, "start", *words], stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait(f"{address}/api/version", token["RAY_AUTH_TOKEN"], head)
        yield {"RAY_API_SERVER_ADDRESS": address, **token}
    finally:
        for process in [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, token: str, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert head.poll() is None, "the head ended"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, headers={"Authorization": f"Bearer {token}"}).is_success:
                return
        time.sleep(0.2)
    raise AssertionError("the head's job server does not answer")

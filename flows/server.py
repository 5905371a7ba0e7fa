"""A Prefect server for one run of the command line, where none is configured.

Prefect would start one of its own in the terminal's process group, where Ctrl-C ends it first, and the run then waits
for a server that is gone in place of saying that it was stopped. This one is in a session of its own, and dies with the
run, even by SIGKILL.

    python -m flows.server PORT PARENT     the server's process, and that of the run
"""

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from schemas.errors import RunFailed
from tasks.capacity.processes import die_with_parent, free_port

_START_SECONDS = 120.0
_STOP_SECONDS = 5.0


@contextmanager
def server_of_this_run() -> Iterator[None]:
    """Inside it flows tell the server that is configured (PREFECT_API_URL), or one that ends with this process.

    Raises:
        RunFailed: the server does not start.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    port = free_port()
    with tempfile.TemporaryFile() as said:  # a pipe would be full one day, and the server wait for who reads it
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(port), str(os.getpid())],
            env={**os.environ, "PREFECT_UI_ENABLED": "0"},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        atexit.register(_stop, server)  # after Prefect's own, by which the last events are handed over
        url = f"http://127.0.0.1:{port}/api"
        _wait_for(url, server, said)
        with temporary_settings({PREFECT_API_URL: url}):
            yield


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        if server.poll() is not None:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise RunFailed(f"Prefect's server ended as it started: {last[:300]}; set PREFECT_API_URL to use another")
        if time.monotonic() > deadline:
            raise RunFailed(f"Prefect's server was not ready in {_START_SECONDS:.0f} seconds; run again to go on")
        time.sleep(0.1)


def _serve(port: int, parent: int) -> None:
    if not die_with_parent(parent):
        return
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, port=port, log_level="error")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))

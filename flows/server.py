"""A Prefect server for one run of the command line, if none is configured.

Prefect itself would start a server in the terminal's process group. There Ctrl-C ends the server first, and the run
waits for a server that is gone. This server has its own session, and ends with the run, even after SIGKILL.

    python -m flows.server PORT PARENT     serve on PORT until the process PARENT, the run, ends
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
    """A context in which flows use the configured server (PREFECT_API_URL), or a server that ends with this process.

    Raises:
        RunFailed: the server does not start.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    port = free_port()
    with tempfile.TemporaryFile() as errors:  # not a pipe, which nobody reads: once it is full, the server would hang
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(port), str(os.getpid())],
            env={**os.environ, "PREFECT_UI_ENABLED": "0"},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        # At exit, after Prefect's own exit handlers, which send the last events to the server.
        atexit.register(_stop, server)
        url = f"http://127.0.0.1:{port}/api"
        _wait_for(url, server, errors)
        with temporary_settings({PREFECT_API_URL: url}):
            yield


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    import httpx

    deadline = time.monotonic() + _START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/health", trust_env=False).is_success:
                return
        if server.poll() is not None:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise RunFailed(
                f"Prefect's server ended while starting: {last[:300]}; set PREFECT_API_URL to use another server"
            )
        if time.monotonic() > deadline:
            raise RunFailed(f"Prefect's server was not ready in {_START_SECONDS:.0f} seconds; run again to continue")
        time.sleep(0.1)


def _serve(port: int, parent: int) -> None:
    if not die_with_parent(parent):
        return
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, port=port, log_level="error")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))

"""Jobs of an existing Ray cluster: they are submitted to its job server, which runs each under its own supervisor.

Ray starts a submission once. Its name is derived from the folder and the attempt's number, so that two flows that start
the same attempt submit it once.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tenacity

from schemas.runtime import RayJobs
from tasks.jobs.backend import State, Status, Unreachable, attempt_on_cluster, entry_point

_HEAD_SECONDS = 60.0


class RayBackend:
    """See `backend.Backend`. A handle is the submission's id."""

    def __init__(self, runtime: RayJobs) -> None:
        """Connect to the job server. Raises Unreachable where it does not answer."""
        self._runtime = runtime
        with _asking():
            self._client = _client(runtime.address)

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        name, runs = attempt_on_cluster(output, number, self._find)
        note(name)
        if not runs:
            self._submit(name, module, output)

    def _submit(self, name: str, module: str, output: str) -> None:
        try:
            for attempt in _while_the_head_comes_up():
                with attempt, _asking():
                    self._client.submit_job(
                        entrypoint=entry_point(module, output, self._runtime),
                        submission_id=name,
                        entrypoint_num_cpus=self._runtime.cpus,
                        entrypoint_num_gpus=self._runtime.gpus,
                        metadata={"output": output, "module": module},
                    )
        except Unreachable:
            if self._find(name) is None:  # otherwise another flow has submitted the same attempt meanwhile
                raise

    def status(self, handle: str) -> Status:
        return self._find(handle) or Status(
            State.ENDED, "is unknown to its Ray cluster, which may have been replaced since"
        )

    def kill(self, handle: str) -> None:
        status = self._find(handle)
        if status is not None and status.state != State.ENDED:
            with _asking():
                self._client.stop_job(handle)

    def _find(self, name: str) -> Status | None:
        """The status of a job; None if the cluster does not know it."""
        try:
            with _asking():
                info = self._client.get_job_info(name)
        except Unreachable as error:
            if "status code 404" in str(error):
                return None
            raise
        if info.status == "PENDING":
            return Status(State.WAITING, "PENDING")
        if info.status == "RUNNING":
            return Status(State.RUNNING)
        code = info.driver_exit_code
        words = f"ended with exit code {code}" if code is not None else f"was ended by Ray: {info.message}"
        return Status(State.ENDED, words)


@functools.cache
def _client(address: str | None) -> Any:
    """One client per cluster, cached, because the constructor queries the server for its version."""
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address)


def _while_the_head_comes_up() -> tenacity.Retrying:
    """Retries while the head node starts: its job server answers before an agent is ready to run a job."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: "No available agent" in str(error)),
        stop=tenacity.stop_after_delay(_HEAD_SECONDS),
        wait=tenacity.wait_fixed(1.0),
        reraise=True,
    )


@contextmanager
def _asking() -> Iterator[None]:
    """Raises Unreachable, with one line, for the client's errors: no connection, a refusal, a missing token."""
    from ray.exceptions import RayError

    try:
        yield
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise Unreachable(f"the Ray cluster's job server failed: {' '.join(str(error).split())}") from None

"""Jobs of a Ray cluster that is there: submitted to its job server, which runs each under a supervisor of its own.

Ray starts a submission once; its name is made from the folder and the number of the attempt, so that two flows that
start the same attempt submit it once.
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
        """Raises Unreachable where no job server answers."""
        self._runtime = runtime
        with _asking():
            self._client = _client(runtime.address)

    def start(self, module: str, output: str, number: int, lock: int, note: Callable[[str], None]) -> None:
        name, is_there = attempt_on_cluster(output, number, self._find)
        note(name)
        if not is_there:
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
            if self._find(name) is None:  # else another flow was faster
                raise

    def status(self, handle: str) -> Status:
        return self._find(handle) or Status(State.ENDED, "is unknown to its Ray cluster, which may be another one now")

    def kill(self, handle: str) -> None:
        status = self._find(handle)
        if status is not None and status.state != State.ENDED:
            with _asking():
                self._client.stop_job(handle)

    def _find(self, name: str) -> Status | None:
        """None where the cluster knows no such job."""
        try:
            with _asking():
                found = self._client.get_job_info(name)
        except Unreachable as error:
            if "status code 404" in str(error):
                return None
            raise
        if found.status == "PENDING":
            return Status(State.WAITING, "PENDING")
        if found.status == "RUNNING":
            return Status(State.RUNNING)
        code = found.driver_exit_code
        words = f"ended with exit code {code}" if code is not None else f"was ended by Ray: {found.message}"
        return Status(State.ENDED, words)


@functools.cache
def _client(address: str | None) -> Any:
    """One for all looks at a cluster: making it asks the server for its version."""
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address)


def _while_the_head_comes_up() -> tenacity.Retrying:
    """A job server answers before there is an agent to run a job: it says so, and to try again later."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: "No available agent" in str(error)),
        stop=tenacity.stop_after_delay(_HEAD_SECONDS),
        wait=tenacity.wait_fixed(1.0),
        reraise=True,
    )


@contextmanager
def _asking() -> Iterator[None]:
    """What the client raises where the server cannot be reached, refuses, or wants a token, in one line."""
    from ray.exceptions import RayError

    try:
        yield
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise Unreachable(f"the Ray cluster's job server: {' '.join(str(error).split())}") from None

"""What the tests of tasks/jobs share: a sleeping job in a folder, and waiting for its processes."""

import time
from pathlib import Path
from typing import Any

from tests.support.sleeper import SleeperJob

SLEEPER = "tests.support.sleeper"
PARTS = 100
"""Of the stage without a job of `sleeping_flow`: each takes a moment, all of them a minute."""


def job(tmp_path: Path, **settings: Any) -> SleeperJob:
    return SleeperJob(output=str(tmp_path / "job"), snapshot="enwiki-20261101", **settings)


def starts(tmp_path: Path) -> list[int]:
    """The processes that worked on the job, in their order."""
    path = tmp_path / "job" / "starts"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_until_started(tmp_path: Path, count: int = 1) -> int:
    """The process of that attempt, once it is at work."""
    deadline = time.monotonic() + 120
    while len(starts(tmp_path)) < count:
        assert time.monotonic() < deadline, "the job did not start"
        time.sleep(0.05)
    return starts(tmp_path)[-1]

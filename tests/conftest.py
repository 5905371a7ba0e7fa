"""Fixtures that the whole suite shares."""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

APART = (
    *("tests/chaos/", "tests/flows/", "tests/tasks/rollouts/test_cluster_pool.py", "tests/tasks/jobs/"),
    *(
        "tests/tasks/indexing/test_job.py",
        "tests/trainers/rl/test_policy_ranks.py",
        "tests/trainers/ranks/test_ray_ranks.py",
    ),
    *(
        "tests/trainers/ranks/test_launch.py",
        "tests/trainers/supervised/test_resume.py",
        "tests/trainers/ranks/test_sharded_loading.py",
    ),
    *("tests/trainers/rl/test_shared_layout.py", "tests/trainers/ranks/test_waiting.py"),
)


class FilesApart(LoadScopeScheduling):
    """Processes share the suite (`make test`): one file each of those that run pipelines or clusters, as they are free.

    All that works in the tests' own process is one share, in an order that is always the same.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(APART) else "in process"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesApart:
    return FilesApart(config, log)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; without it the test is skipped, with a wrong one it fails."""
    named = os.environ.get("MASKSEARCH_TEST_DATA")
    if not named:
        pytest.skip("real data: set MASKSEARCH_TEST_DATA to its folder")
    folder = Path(named)
    assert folder.is_dir(), f"MASKSEARCH_TEST_DATA names no folder: {named}"
    return folder

"""Fixtures that the whole suite shares."""

import os
from pathlib import Path

import pytest

APART = ("tests/chaos/", "tests/tasks/rollouts/test_worker_pool.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the suite, each with an order of its own that is always the same.

    What runs pipelines or clusters of processes is apart from what works in the tests' own process. There Java must not
    start before vLLM is imported: vLLM's handler of SIGSEGV would take the place of Java's.
    """
    for item in items:
        apart = item.nodeid.startswith(APART)
        item.add_marker(pytest.mark.xdist_group("processes" if apart else "in process"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; without it the test is skipped, with a wrong one it fails."""
    named = os.environ.get("MASKSEARCH_TEST_DATA")
    if not named:
        pytest.skip("real data: set MASKSEARCH_TEST_DATA to its folder")
    folder = Path(named)
    assert folder.is_dir(), f"MASKSEARCH_TEST_DATA names no folder: {named}"
    return folder

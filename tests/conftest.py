"""Fixtures that the whole suite shares."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data; without it the test is skipped, with a wrong one it fails."""
    named = os.environ.get("MASKSEARCH_TEST_DATA")
    if not named:
        pytest.skip("real data: set MASKSEARCH_TEST_DATA to its folder")
    folder = Path(named)
    assert folder.is_dir(), f"MASKSEARCH_TEST_DATA names no folder: {named}"
    return folder

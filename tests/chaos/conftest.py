"""Tests that take minutes by themselves are run where they are named: `pytest tests/chaos/test_cluster.py`."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

_BY_NAME = ("test_cluster", "test_acceptance", "test_silent_run")

collect_ignore = [f"{name}.py" for name in _BY_NAME if not any(name in word for word in sys.argv)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes, on this machine."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_worker_niceness", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "object_store_memory": 200 << 20})
    started.add_node(num_cpus=4, object_store_memory=200 << 20)
    yield started
    started.shutdown()

"""Tests that take minutes by themselves are run where they are named: `pytest tests/chaos/test_cluster.py`."""

import sys

_BY_NAME = ("test_cluster", "test_acceptance")

collect_ignore = [f"{name}.py" for name in _BY_NAME if not any(name in word for word in sys.argv)]

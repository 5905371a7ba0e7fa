"""Tests of many minutes run where they are named: `pytest tests/chaos/test_cluster.py`."""

import sys

LONG = ("test_cluster.py", "test_silent_run.py")
collect_ignore = [name for name in LONG if not any(name in word for word in sys.argv)]

"""The cluster's test takes ten minutes by itself: it runs where it is named, `pytest tests/chaos/test_cluster.py`."""

import sys

collect_ignore = [] if any("test_cluster" in word for word in sys.argv) else ["test_cluster.py"]

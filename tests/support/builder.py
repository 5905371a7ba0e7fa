"""Build a config's stages in order, without Prefect: `python -m tests.support.builder CONFIG ROOT WORKERS [LAST]`.

The chaos tests start this, kill it, and start it again; one of them uses the real command line.
"""

import sys

from schemas.config import read_config
from tasks.pipeline import graph


def build(path: str, root: str, workers: int, last: str | None = None) -> None:
    config = read_config(path, {"runtime": {"root": root, "workers": workers}})
    for stage in graph.stages_of(config):
        graph.make(config, stage, lambda progress: None)
        print(f"finished {stage}", flush=True)
        if str(stage) == last:
            break


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

"""The pipeline's flow with one stage that takes a minute, a job's or this process's own: for tests that end it.

    python -m tests.support.sleeping_flow WORDS     `masksearch WORDS`, of this pipeline

SLEEPING_STAGE in the environment says which: `job`, or `parts`. Once it has been stopped and saved, it ends at once.
"""

import os
import sys
import time
from pathlib import Path

from flows import pipeline as flow
from flows import selection
from flows.cli import main
from flows.pipeline import pipeline
from schemas.config import PipelineConfig
from schemas.manifest import StageManifest
from schemas.records import Passage
from tasks.ledger.identity import identity_of
from tasks.making.context import Making, Output
from tasks.pipeline import graph
from tasks.pipeline.graph import Stage
from tests.support.sleeper import SleeperJob
from tests.support.sleepers import PARTS


def make_job(making: Making) -> StageManifest:
    was_saved = Path(making.folder, "saved").exists()
    job = SleeperJob(output=making.folder, snapshot=making.snapshot, seconds=0.2 if was_saved else 60.0, saving=1.0)
    result = making.run_job("tests.support.sleeper", job)
    return making.open.finish(made=".", figures=result.figures)


def make_parts(making: Making) -> StageManifest:
    is_second = any(Path(making.folder).glob("part-*.json"))

    def work(item: int) -> Output:
        time.sleep(0.0 if is_second else 0.6)
        return Output([], [], {})

    return making.open.finish(parts=making.map_parts(Passage, {f"{i:03d}": i for i in range(PARTS)}, work))


_STAGES = {
    "job": Stage("models", "sleeper", make_job, (), identity_of()),
    "parts": Stage("pages", "v1", make_parts, (), identity_of()),
}


def _stages_of(config: PipelineConfig) -> list[Stage]:
    return [_STAGES[os.environ.get("SLEEPING_STAGE", "job")]]


for module in (graph, selection):
    module.stages_of = _stages_of
flow.reported = lambda settings: None
flow.scorecard_markdown = lambda report: "slept"

__all__ = ["pipeline"]

if __name__ == "__main__":
    sys.argv[0] = "masksearch"
    main()

"""The pipeline's flow with one stage that takes a minute, a job's or this process's own: for tests that end it.

    python -m tests.support.sleeping_flow WORDS     `masksearch WORDS`, of this pipeline

SLEEPING_STAGE in the environment says which: `job`, or `parts`. Once it has been stopped and saved, it ends at once.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows import pipeline as flow
from flows import selection
from flows.cli import main
from flows.pipeline import pipeline
from schemas.config import PipelineConfig
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Passage
from tasks.making.context import Making, Output
from tasks.making.stage import DataStage, Stage
from tasks.pipeline import graph
from tests.support.sleeper import SleeperJob
from tests.support.sleepers import PARTS


class NoReads(Reads):
    """Nothing."""


@dataclass(frozen=True, kw_only=True)
class SleepingJob(Stage[NoReads]):
    stage = "models"
    group = "sft"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SleepingJob"]:
        yield cls(key="sleeper", label="sleeper", reads=NoReads())

    def make(self, making: Making) -> StageManifest:
        was_saved = Path(making.folder, "saved").exists()
        seconds = 0.2 if was_saved else 60.0
        job = SleeperJob(output=making.folder, snapshot=making.snapshot, seconds=seconds, saving=1.0)
        result = making.run_job("tests.support.sleeper", job)
        return making.open.finish(made=".", figures=result.figures)


@dataclass(frozen=True, kw_only=True)
class SleepingParts(DataStage[NoReads]):
    stage = "pages"
    group = "corpus"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SleepingParts"]:
        yield cls.once(config, NoReads())

    def make(self, making: Making) -> StageManifest:
        is_second = any(Path(making.folder).glob("part-*.json"))

        def work(item: int) -> Output:
            time.sleep(0.0 if is_second else 0.6)
            return Output([], [], {})

        return making.open.finish(parts=making.map_parts(Passage, {f"{i:03d}": i for i in range(PARTS)}, work))


_STAGES = {"job": SleepingJob, "parts": SleepingParts}


def _stages_of(config: PipelineConfig) -> list[graph.Stage]:
    return list(_STAGES[os.environ.get("SLEEPING_STAGE", "job")].of(config))


for module in (graph, selection):
    module.stages_of = _stages_of
flow.reported = lambda settings: None
flow.scorecard_markdown = lambda report: "slept"

__all__ = ["pipeline"]

if __name__ == "__main__":
    sys.argv[0] = "masksearch"
    main()

"""No stage reads a setting that its identity omits: every read of a setting is recorded while all stages are made.

Jobs are not run, but for the index: what a job is given counts as read.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.config import PipelineConfig, read_config
from schemas.identity import Identity
from schemas.jobs import Job, JobResult
from schemas.manifest import StageManifest
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.pipeline.graph import Stage, make, stages_of

TINY = Path(__file__).parents[2] / "chaos" / "tiny.yaml"

CHANGES_NOTHING = {
    "pages": ("pages.max_lost_share",),  # a limit
    "questions": (
        "ramp.leaks",  # whether there is such an upstream
        *("teacher.", "sft.", "evolution.", "dapo.", "evaluation."),  # whether the questions suffice for them
    ),
    "trajectories": ("evolution.sft.", "evolution.rounds"),  # a student's job is given all of the section
    "models": ("teacher.kind",),  # the label of an upstream
    "answers": ("evolution.rounds",),  # which models there are
}
"""Settings that a stage reads and that its rows do not depend on, by their beginnings."""
SECTIONS = {
    "hits": "agent.hits",
    "hold_back": "agent.hold_back",
    "student_weight": "evolution.student_weight",
}
"""Where identities name a setting otherwise than by its place in the config."""


def sections(model: BaseModel, path: str = "") -> Iterator[tuple[str, Identity]]:
    """Every section of identity settings, with its place in the config."""
    for name in type(model).model_fields:
        value = model.__dict__[name]
        if isinstance(value, Identity):
            yield f"{path}{name}", value
        if isinstance(value, BaseModel):
            yield from sections(value, f"{path}{name}.")


def leaves(settings: Any, path: str) -> Iterator[str]:
    if isinstance(settings, dict) and settings:
        for name, value in settings.items():
            yield from leaves(value, f"{path}.{name}")
    else:
        yield path


def known_by(stage: Stage) -> set[str]:
    found = set(CHANGES_NOTHING.get(stage.stage, ()))
    for name, value in stage.settings.all.items():
        place = "evolution.sft" if name == "sft" and stage.label != "sft-0" else SECTIONS.get(name, name)
        found |= set(leaves(value, place))
    return found


def is_part(read: str, known: str) -> bool:
    """A mapping is read as a whole; a known place that ends in a dot stands for all below it."""
    return known == read or known.startswith(f"{read}.") or (known.endswith(".") and read.startswith(known))


class Recorder:
    """Notes reads of a config's identity settings, by their places."""

    def __init__(self, config: PipelineConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places = {id(section): place for place, section in sections(config)}
        self.reads: set[str] = set()
        self._is_on = False
        plain = Identity.__getattribute__

        def noting(section: Identity, name: str) -> Any:
            value = plain(section, name)
            place = self.places.get(id(section))
            if (
                self._is_on
                and place is not None
                and name in type(section).model_fields
                and not isinstance(value, BaseModel)
            ):
                self.reads.add(f"{place}.{name}")
            return value

        monkeypatch.setattr(Identity, "__getattribute__", noting)
        self._run_job = Making.run_job
        monkeypatch.setattr(Making, "run_job", lambda making, module, job: self.run(making, module, job))

    def recorded(self, function: Callable[[Making], StageManifest]) -> Callable[[Making], StageManifest]:
        def recording(making: Making) -> StageManifest:
            self._is_on = True
            try:
                return function(making)
            finally:
                self._is_on = False

        return recording

    def run(self, making: Making, module: str, job: Job) -> JobResult:
        if module == "tasks.indexing.job":
            return self._run_job(making, module, job)
        for value in vars(job).values():
            if id(value) in self.places:
                self.reads |= set(leaves(value.model_dump(mode="json"), self.places[id(value)]))
        storage.write_bytes(storage.join(making.folder, "model", "config.json"), b"{}")
        raise _Given


class _Given(Exception):
    """The job has what it needs; the test does not run it."""


def made(config: PipelineConfig, stage: Stage) -> StageManifest:
    try:
        return make(config, stage, lambda progress: None)
    except _Given:
        ledger = Ledger(config.runtime.root, config.snapshot)
        recipe = stage.recipe(ledger)
        assert recipe is not None
        return ledger.open(recipe).finish(made="model")


def test_every_setting_that_a_stage_reads_is_part_of_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = {
        "ramp": {"splits": "held_out", "held_out_share": 0.3, "rl_share": 0.5},
        "near_duplicates": {},
        "certified_only": False,
        "evolution": {"questions": 5},
        "evaluation": {"per_masks": 1},
        "runtime": {"root": str(tmp_path), "workers": 1},
    }
    config = read_config(TINY, overrides)
    recorder = Recorder(config, monkeypatch)
    every: set[str] = set()
    for stage in stages_of(config):
        recorder.reads.clear()
        made(config, replace(stage, make=recorder.recorded(stage.make)))
        known = known_by(stage)
        assert {read for read in recorder.reads if not any(is_part(read, of) for of in known)} == set(), stage
        every |= recorder.reads
    assert {"ramp.rl_share", "ramp.masks", "pages.part_mb", "evolution.sft.seed"} <= every, "reads are recorded"

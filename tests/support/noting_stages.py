"""Stages that take note of what lies outside the root: made, looked at again, refused."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import Recipe
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.pipeline.graph import Stage, is_finished, make, stages_of

SNAPSHOT = "enwiki-20240101"


def config_of(tmp_path: Path, dump: object = "nowhere", **sections: Any) -> PipelineConfig:
    document = {"name": "outside", "snapshot": SNAPSHOT, "dump": str(dump)}
    runtime = {"root": str(tmp_path / "root"), "workers": 1}
    return PipelineConfig.model_validate({**document, "runtime": runtime, **sections})


def stage_of(config: PipelineConfig, name: str) -> Stage:
    return next(stage for stage in stages_of(config) if stage.stage == name)


def made(config: PipelineConfig, *names: str) -> None:
    for name in names:
        make(config, stage_of(config, name), lambda progress: None)


def finished(config: PipelineConfig, name: str) -> bool:
    """Whether it counts as finished; what is finished is given back and not made."""
    stage = stage_of(config, name)
    path = Path(config.runtime.root, SNAPSHOT, *stage.name, "stage.json")
    before = path.read_bytes()
    made(config, name)
    assert path.read_bytes() == before
    return is_finished(config, stage)


def refused(config: PipelineConfig, name: str) -> str:
    """What is said of a stage that neither counts as finished nor is made."""
    with pytest.raises(BadInput) as told:
        is_finished(config, stage_of(config, name))
    with pytest.raises(BadInput) as again:
        made(config, name)
    assert str(told.value) == str(again.value)
    assert "\n" not in str(told.value)
    assert f"another label (labels: {{{name}: …}}), another root" in str(told.value)
    return str(told.value)


def forget(config: PipelineConfig, name: str) -> None:
    """As a root is that was made before stages remembered what they had seen."""
    Path(config.runtime.root, SNAPSHOT, name, "v1", "outside.json").unlink()


def touch(path: Path) -> None:
    """As if the same bytes had been written later."""
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))


def making_of(config: PipelineConfig, stage: str, note: str) -> Making:
    """Of a stage that is made from what ``note`` took note of, as far as that goes."""
    ledger = Ledger(config.runtime.root, SNAPSHOT)
    manifest = ledger.manifest(note, config.label(note, "v1"))
    assert manifest is not None
    recipe = Recipe(
        stage=stage, label="x", snapshot=SNAPSHOT, version=1, settings={}, given={}, upstreams=[manifest.as_upstream]
    )
    return Making(config.runtime, ledger, ledger.open(recipe), lambda progress: None, ExitStack())

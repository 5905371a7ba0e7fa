"""What stages will take by what they took for an earlier snapshot of the same wiki, in proportion to the dumps."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest
from tasks.dumps.dumps import find_dump
from tasks.ledger.ledger import Ledger
from tasks.making.stage import Name
from tasks.pipeline.graph import Stage
from tasks.stages.dump import DumpStage


class Precedent(NamedTuple):
    """Of a stage that the snapshot ``snapshot`` has, made with the same settings; ``seconds`` are of the clock."""

    snapshot: str
    growth: float
    """How many times as large this dump is as that one."""
    rows: int
    bytes: int
    seconds: float


def precedents_of(config: PipelineConfig, stages: Sequence[Stage]) -> dict[Name, Precedent]:
    """By the latest earlier snapshot under the same root; a stage that none has, made in the same way, is left out.

    Training and rollouts take what the settings say, whatever the dump's size: data stages alone grow with it.
    """
    ledger, size = Ledger(config.runtime.root, config.snapshot), _size_of_dump(config)
    found = {}
    for stage in stages:
        for earlier in ledger.earlier(stage.stage):
            made = earlier.manifest(*stage.name)
            if made is not None and _is_alike(made, stage):
                before = _dump_bytes(earlier, config)
                growth = size / before if stage.stage not in ("models", "answers") and size and before else 1.0
                found[stage.name] = Precedent(
                    earlier.snapshot,
                    growth,
                    round(made.rows * growth),
                    round(made.bytes * growth),
                    made.seconds * growth,
                )
                break
    return found


def _is_alike(made: StageManifest, stage: Stage) -> bool:
    return made.recipe.given == stage.reads.given and made.recipe.version == stage.version


def _size_of_dump(config: PipelineConfig) -> int | None:
    """None for a made-up world, and for a dump that is not there yet."""
    try:
        return find_dump(config.dump_path).size if config.dump_path else None
    except BadInput:
        return None


def _dump_bytes(ledger: Ledger, config: PipelineConfig) -> int | None:
    made = ledger.manifest(*DumpStage.in_config(config))
    return made.figures.get("bytes") if made else None

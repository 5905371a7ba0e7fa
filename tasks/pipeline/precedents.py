"""The expected cost of stages by their cost for an earlier snapshot of the same wiki, scaled by the input's size."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest
from tasks.ledger.ledger import Ledger
from tasks.making.stage import Name
from tasks.pipeline.graph import Stage
from tasks.stages.source import size_of_source, source_in


class Precedent(NamedTuple):
    """The expected cost of a stage, by the same stage of ``snapshot`` with the same settings; wall-clock seconds."""

    snapshot: str
    growth: float
    """The size of this dump or corpus divided by the size of the earlier one."""
    rows: int
    bytes: int
    seconds: float


def precedents_of(config: PipelineConfig, stages: Sequence[Stage]) -> dict[Name, Precedent]:
    """Precedents from the latest earlier snapshot under the same root that has the stage with the same settings.

    Stages without a precedent are left out. Only data stages grow with their input: the cost of training and rollouts
    follows from the settings.
    """
    ledger, size = Ledger(config.runtime.root, config.snapshot), _size_of_input(config)
    found = {}
    for stage in stages:
        for earlier in ledger.earlier(stage.stage):
            made = earlier.manifest(*stage.name)
            if made is not None and _is_alike(made, stage):
                before = _input_bytes(earlier, config)
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


def _size_of_input(config: PipelineConfig) -> int | None:
    """The input's size in bytes; None for a synthetic world, and for an input that does not exist yet."""
    try:
        return size_of_source(config)
    except BadInput:
        return None


def _input_bytes(ledger: Ledger, config: PipelineConfig) -> int | None:
    made = ledger.manifest(*source_in(config))
    return made.figures.get("bytes") if made else None

"""The expected cost of a config's stages: rows and tokens from its settings, hours from the rates of an acceptance.

If the accepted model and the config's model differ in size, seconds are scaled by the number of parameters. Rollouts
are assumed to be as long as the last student's under the config's root; without a student, as long as the settings
allow.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.acceptance import Rates
from schemas.config import PipelineConfig
from tasks.ledger.ledger import Ledger
from tasks.making.stage import Name, Seen, Work
from tasks.pipeline.graph import Stage
from tasks.stages.student import StudentStage


class Hours(NamedTuple):
    """Wall-clock hours, and the sum of hours over all devices."""

    clock: float
    devices: float


def seen_by_students(config: PipelineConfig) -> Seen | None:
    """Figures of the last student's trajectories; None if no student has finished yet."""
    ledger = Ledger(config.runtime.root, config.snapshot)
    for stage in reversed(list(StudentStage.of(config))):
        manifest = ledger.manifest(*stage.name)
        if manifest is not None and "yield" in manifest.figures:
            figures = manifest.figures
            return Seen(figures["yield"], figures["mean_tokens"], figures.get("mean_generated", figures["mean_tokens"]))
    return None


def work_of(config: PipelineConfig, stages: Sequence[Stage]) -> dict[Name, Work]:
    """The work of the stages that run or train models."""
    seen = seen_by_students(config)
    works = {stage.name: stage.work(seen) for stage in stages}
    return {name: work for name, work in works.items() if work is not None}


def hours_of(work: Work, rates: Rates, scale: float) -> Hours | None:
    """The hours of some work; None if its tokens are unknown, or a rate that it needs was not measured.

    ``scale``: the model's parameters divided by those of the accepted model.

    Training and generation take turns, unless rollouts continue during updates (``work.staleness``) on devices of
    their own. Rollouts that replace uninformative groups are not counted, because their number is unknown beforehand.
    """
    if not work.tokens and not work.generated:
        return None
    training = _over(work.tokens * work.passes * scale, rates.training_tokens_per_second)
    engines = rates.engines * rates.generated_tokens_per_second if rates.generated_tokens_per_second else None
    generation = _over(work.generated * scale, engines)
    updates = 0.0 if not work.updates else _times(work.updates * scale, rates.update_seconds)
    if training is None or generation is None or updates is None:
        return None
    both = training + updates
    beside = work.staleness > 0 and not rates.together
    seconds = max(both, generation) if beside else both + generation
    return Hours(seconds / 3600, seconds / 3600 * _devices(work, rates))


def _devices(work: Work, rates: Rates) -> float:
    """The number of devices that the work occupies while it runs."""
    of_engines = rates.engines * rates.engine_devices if work.generated else 0.0
    of_training = rates.training_devices if work.tokens else 0.0
    return max(of_engines, of_training) if rates.together else of_engines + of_training


def total(hours: Sequence[Hours]) -> Hours:
    """The hours of stages that run one after another."""
    return Hours(sum(each.clock for each in hours), sum(each.devices for each in hours))


def _over(amount: float, rate: float | None) -> float | None:
    """Seconds for an amount at a rate; an amount of 0 takes 0 seconds even if the rate is unknown."""
    if not amount:
        return 0.0
    return amount / rate if rate else None


def _times(count: float, seconds: float | None) -> float | None:
    return None if seconds is None else count * seconds

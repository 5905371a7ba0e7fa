"""What a config's stages will take: rows and tokens from its settings, hours from the rates of an acceptance.

Where the accepted model is another than the config's, seconds are scaled by the number of parameters. Rollouts are
taken to be as long as the last student's under the config's root; without one, as long as the settings allow.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.acceptance import Rates
from schemas.config import PipelineConfig
from schemas.settings import EvolutionSettings, ModelSettings
from schemas.sizes import architecture_in, parameters_of
from tasks.evaluation.questions import answers_of_one
from tasks.ledger.ledger import Ledger
from tasks.making.answers import contestants_of
from tasks.pipeline.graph import Name, Stage

_DAPO_PASSES = 8 / 6
"""Of a token in DAPO, in forward and backward passes of SFT: it is scored once more before."""


class Seen(NamedTuple):
    """Of the last student's trajectories under a config's root: the share that was accepted, mean tokens of one."""

    accepted: float
    tokens: float
    generated: float


class Work(NamedTuple):
    """Of a stage: ``rows`` are as many at most; ``tokens`` are trained on, ``generated`` are written; None where the
    settings do not tell."""

    rows: int | None = None
    tokens: int = 0
    generated: int = 0
    updates: int = 0
    passes: float = 1.0
    is_bound: bool = False
    """Tokens are at most so many."""


class Hours(NamedTuple):
    """Of the clock, and of all devices together."""

    clock: float
    devices: float


def seen_by_students(config: PipelineConfig) -> Seen | None:
    """None where no student has answered yet."""
    ledger = Ledger(config.runtime.root, config.snapshot)
    rounds = config.evolution.rounds if config.evolution else 0
    for number in range(rounds, 0, -1):
        manifest = ledger.manifest("trajectories", config.label(f"student-{number}"))
        if manifest is not None and "yield" in manifest.figures:
            told = manifest.figures
            return Seen(told["yield"], told["mean_tokens"], told.get("mean_generated", told["mean_tokens"]))
    return None


def parameters_in(config: PipelineConfig) -> int | None:
    """Of the config's model; None where its folder is not there to be read."""
    model = model_of(config)
    token_ids = config.tokenizer.vocabulary if config.tokenizer and config.tokenizer.vocabulary else 0
    return parameters_of(model, token_ids) if model else None


def model_of(config: PipelineConfig) -> ModelSettings | None:
    """The architecture of the config's model."""
    if config.model is None or config.model.path is None:
        return config.model
    return architecture_in(config.model.path)


def work_of(config: PipelineConfig) -> dict[Name, Work]:
    """Of the stages that models are asked or trained in."""
    seen = seen_by_students(config)
    agent = config.agent
    tokens, generated = agent.max_tokens, min(agent.max_turns * agent.max_turn_tokens, agent.max_tokens)
    if seen is not None:
        tokens, generated = round(seen.tokens), round(seen.generated)

    def rollouts(rows: int) -> Work:
        return Work(rows=rows, generated=rows * generated, is_bound=seen is None)

    found: dict[Name, Work] = {}
    teacher = config.teacher
    if teacher is not None and teacher.questions is not None:  # a script writes no tokens, an endpoint any number
        found["trajectories", config.label(teacher.kind)] = Work(rows=teacher.questions * teacher.rollouts)
    trained = {"base": config.base, "sft-0": config.sft}
    evolution = config.evolution
    for number in _rounds(evolution):
        assert evolution is not None
        asked = ("trajectories", config.label(f"student-{number}"))
        found[asked] = rollouts(evolution.questions * evolution.rollouts)
        trained[f"sft-{number}"] = evolution.sft
    for name, section in trained.items():
        if section is not None:
            found["models", config.label(name)] = Work(tokens=section.steps * section.tokens_per_step)
    if config.dapo is not None:
        rows = config.dapo.steps * config.dapo.prompts * config.dapo.group
        found["models", config.label("dapo")] = rollouts(rows)._replace(
            tokens=rows * tokens, updates=config.dapo.steps, passes=_DAPO_PASSES
        )
    if config.evaluation is not None:
        rows = answers_of_one(config.evaluation, config.ramp.masks)
        found |= {("answers", label): rollouts(rows) for label, *_ in contestants_of(config)}
    return found


def hours_of(work: Work, rates: Rates, scale: float, staleness: int = 0) -> Hours | None:
    """None where there are no tokens to tell, or a rate that it takes was not measured.

    ``scale``: parameters, over those of the accepted model.

    Training and generation take turns, but where rollouts go on while the policy is updated (``staleness``) on devices
    of their own. Refills of groups that teach nothing are not counted: nobody knows yet how many there will be.
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
    beside = staleness > 0 and not rates.together
    seconds = max(both, generation) if beside else both + generation
    return Hours(seconds / 3600, seconds / 3600 * _devices(work, rates))


def _devices(work: Work, rates: Rates) -> float:
    """How many are taken for as long as it runs."""
    of_engines = rates.engines * rates.engine_devices if work.generated else 0.0
    of_training = rates.training_devices if work.tokens else 0.0
    return max(of_engines, of_training) if rates.together else of_engines + of_training


def total(hours: Sequence[Hours]) -> Hours:
    """One after the other."""
    return Hours(sum(each.clock for each in hours), sum(each.devices for each in hours))


def staleness_of(config: PipelineConfig, stage: Stage) -> int:
    """How far rollouts may run ahead, in the stage that has any."""
    is_dapo = stage.name == ("models", config.label("dapo"))
    return config.dapo.staleness if config.dapo and is_dapo else 0


def _rounds(evolution: EvolutionSettings | None) -> range:
    return range(1, evolution.rounds + 1) if evolution else range(0)


def _over(amount: float, rate: float | None) -> float | None:
    """Seconds for an amount; nothing takes none, whatever the rate."""
    if not amount:
        return 0.0
    return amount / rate if rate else None


def _times(count: float, seconds: float | None) -> float | None:
    return None if seconds is None else count * seconds

"""Whether there are enough questions for all sections of a config, checked hours before a section would run out.

`Demand.counted` counts the questions exactly while their stage is built. `Demand.shortages_by_figures` estimates from
the figures of a finished stage, where a step counts the questions of its whole split, not of its share alone.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.errors import BadInput
from schemas.names import RAMP
from schemas.records import Question, Split
from schemas.settings import TeacherSettings
from schemas.training_settings import CurriculumPhase
from schemas.training_steps import DapoStep, SampledStep, SelfEvolutionStep, SftStep, phases_of
from tasks.evaluation.questions import too_few
from tasks.ledger.ledger import Ledger
from tasks.making.asked import is_asked
from tasks.ramp.question_counts import ASKABLE, CERTIFIED, is_certified
from tasks.sets.rows import SUPPLY

Supply = Counter[int]
"""Questions by their level: masks, or hops."""


class Asker(NamedTuple):
    """A section of the config that asks questions. ``lacks`` yields one message for each shortage in a supply."""

    splits: Collection[Split]
    lacks: Callable[[Supply], Iterator[str]]
    takes: Callable[[Question], bool] = lambda question: True


@dataclass(frozen=True)
class Demand:
    """All sections of a config that ask questions. It does not change questions; it only reports shortages."""

    askers: tuple[Asker, ...]
    certified_only: bool

    def counted(self, questions: Iterable[Question], shortages: list[str]) -> Iterator[Question]:
        """Yield the questions unchanged; after the last one, ``shortages`` has a line for each shortage."""
        supplies = [Supply() for _ in self.askers]
        for question in questions:
            if not self.certified_only or is_certified(question):
                for asker, supply in zip(self.askers, supplies, strict=True):
                    supply[question.level] += question.split in asker.splits and asker.takes(question)
            yield question
        pairs = zip(self.askers, supplies, strict=True)
        shortages += [words for asker, supply in pairs for words in asker.lacks(supply)]

    def shortages_by_figures(self, figures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
        """Shortages by the figures of a finished questions stage; empty if an older version did not write figures."""
        counts = figures.get(SUPPLY) or figures.get(CERTIFIED if self.certified_only else ASKABLE)
        if counts is None:
            return []
        return [words for asker in self.askers for words in asker.lacks(_supply_of(counts, asker.splits))]


@dataclass(frozen=True)
class EnoughQuestions:
    """A need (`tasks.making.needs`) of a stage that asks questions: if they are finished, they must be enough."""

    ledger_root: str
    snapshot: str
    label: str
    demand: Demand

    def look(self) -> None:
        manifest = Ledger(self.ledger_root, self.snapshot).manifest("questions", self.label)
        if manifest is not None:
            refuse_shortage(self.demand.shortages_by_figures(manifest.figures))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnoughQuestions) and hash(self) == hash(other)

    def __hash__(self) -> int:
        return hash((self.ledger_root, self.snapshot, self.label))


def refuse_shortage(shortages: Collection[str]) -> None:
    """Raises BadInput that names all shortages. Questions built so far are kept for a run with other settings."""
    if shortages:
        raise BadInput("; ".join(shortages))


def _supply_of(counts: Mapping[str, Mapping[str, int]], splits: Collection[Split]) -> Supply:
    supply = Supply()
    for split in splits:
        supply.update({int(masks): count for masks, count in counts.get(split, {}).items()})
    return supply


def demand_of(config: PipelineConfig, asked: str) -> Demand:
    """The demand of all sections and steps of this config that ask the questions of this set."""
    askers = [*_teaching(config, asked), *_sampling(config, asked), *_reinforcement(config, asked)]
    if config.evaluation is not None and asked in config.evaluation.sets:
        levels = config.ramp.masks if asked == RAMP else None
        evaluated = config.evaluation.sets[asked]
        askers.append(Asker({evaluated.split}, lambda supply: too_few(supply, asked, evaluated, levels)))
    return Demand(tuple(askers), config.certified_only)


def _teaching(config: PipelineConfig, asked: str) -> Iterator[Asker]:
    teacher = config.teacher
    taught = [step for step in config.training if isinstance(step, SftStep | SelfEvolutionStep) and step.on == asked]
    if teacher is None or not (taught or (asked == RAMP and not config.training)):
        return
    where = f"teacher.splits ({', '.join(teacher.splits)})"
    for name, phases in [(f"training.{step.name}", phases_of(step)) for step in taught] or [("teacher", [])]:
        shortages = partial(_shortages, where=where, section=name, phases=phases, config=config, teacher=teacher)
        yield Asker(set(teacher.splits), shortages, teacher.can_answer)


def _sampling(config: PipelineConfig, asked: str) -> Iterator[Asker]:
    for step in config.training:
        if isinstance(step, SampledStep) and step.on == asked:
            yield Asker({step.split}, partial(_too_few_fresh, step=step), partial(is_asked, asked=step.sampling))


def _reinforcement(config: PipelineConfig, asked: str) -> Iterator[Asker]:
    for step in config.training:
        if isinstance(step, DapoStep) and step.on == asked:
            whole = step.share == (0.0, 1.0)
            where = f"the split {step.split}" + ("" if whole else f", share {list(step.share)},")
            shortages = partial(
                _shortages, where=where, section=f"training.{step.name}", phases=step.curriculum, config=config
            )
            yield Asker({step.split}, shortages, partial(is_asked, asked=step.asked))


def _shortages(
    supply: Supply,
    where: str,
    section: str,
    phases: Sequence[CurriculumPhase],
    config: PipelineConfig,
    teacher: TeacherSettings | None = None,
) -> Iterator[str]:
    """Shortages of a step that trains on questions.

    It needs at least one question, and for every phase one at the phase's bound.
    """
    certified = " that is certified (certified_only)" if config.certified_only else ""
    if not supply.total():
        able = f"{' and' * config.certified_only} that teacher.kind {teacher.kind} can answer" if teacher else ""
        more = "make more questions, or give that split a larger share" + (", or name another teacher" * bool(teacher))
        yield f"{section}: {where} has no question{certified}{able}: {more}"
        return
    bounds = {(phase.bound, phase.unit) for phase in phases if phase.bound is not None}
    missing = sorted((bound, unit) for bound, unit in bounds if not supply[bound])
    if missing and not supply[0]:
        yield (
            f"{section}.curriculum has phases of up to {', '.join(str(bound) for bound, _ in missing)} "
            f"{missing[0][1]}, but {where} has no question with that number{certified}: make more questions, or remove "
            "these phases"
        )


def _too_few_fresh(supply: Supply, step: SampledStep) -> Iterator[str]:
    available = supply.total()
    if available < step.questions:
        yield (
            f"training.{step.name}.questions needs {counted(step.questions, 'question')}, but the split "
            f"{step.split} has {available} for it: widen training.{step.name}.share, make more questions, "
            "or ask for fewer"
        )

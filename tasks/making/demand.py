"""Whether there are enough questions for all sections of a config, checked hours before a section would run out.

`Demand.counted` counts the questions exactly while their stage is built. `Demand.shortages_by_figures` estimates from
the figures of a finished stage; it counts questions that self-evolution and DAPO share once for each of the two.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import digest_of
from schemas.records import Question, Split
from schemas.settings import CurriculumPhase, KeptQuestionSettings
from tasks.evaluation.questions import too_few
from tasks.ledger.ledger import Ledger
from tasks.ramp.question_counts import ASKABLE, CERTIFIED, is_certified

Supply = Counter[int]
"""Questions by their number of masks."""


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
                    supply[question.n_masks] += question.split in asker.splits and asker.takes(question)
            yield question
        pairs = zip(self.askers, supplies, strict=True)
        shortages += [words for asker, supply in pairs for words in asker.lacks(supply)]

    def shortages_by_figures(self, figures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
        """Shortages by the figures of a finished questions stage; empty if an older version did not write figures."""
        counts = figures.get(CERTIFIED if self.certified_only else ASKABLE)
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


def is_kept_for_evolution(question: Question, settings: KeptQuestionSettings) -> bool:
    """Whether the question is reserved for self-evolution, so that DAPO does not ask it.

    The draw is by hash, so it is stable over snapshots. Self-evolution takes its share of its own split only: if that
    is not `rl`, DAPO has the whole of `rl`.
    """
    if question.split != settings.split:
        return False
    draw = int(digest_of([settings.seed, "evolution", question.question_id])[:8], 16) / 16**8
    return draw < settings.share


def demand_of(config: PipelineConfig) -> Demand:
    """The demand of all sections of this config."""
    return Demand(tuple(_askers(config)), config.certified_only)


def _askers(config: PipelineConfig) -> Iterator[Asker]:
    certified = " that is certified (certified_only)" if config.certified_only else ""
    teacher, evolution, dapo, evaluation = config.teacher, config.evolution, config.dapo, config.evaluation
    if teacher is not None:
        where = f"teacher.splits ({', '.join(teacher.splits)})"
        curriculum = config.sft.curriculum if config.sft else []
        yield Asker(
            set(teacher.splits), lambda supply: _training_shortages(supply, where, "sft", curriculum, certified)
        )
    if evolution is not None:
        wanted, split = evolution.questions, evolution.split
        yield Asker(
            {split},
            lambda supply: _too_few_fresh(supply.total(), wanted, split),
            lambda question: is_kept_for_evolution(question, evolution),
        )
    if dapo is not None:
        left = "the split rl, less evolution.share," if evolution and evolution.split == Split.RL else "the split rl"
        yield Asker(
            {Split.RL},
            lambda supply: _training_shortages(supply, left, "dapo", dapo.curriculum, certified),
            lambda question: not (evolution and is_kept_for_evolution(question, evolution)),
        )
    if evaluation is not None:
        yield Asker({evaluation.split}, lambda supply: too_few(supply, evaluation, config.ramp.masks))


def _training_shortages(
    supply: Supply, where: str, section: str, curriculum: Sequence[CurriculumPhase], certified: str
) -> Iterator[str]:
    """Shortages of a section that trains on questions.

    It needs at least one question, and for every phase one with the phase's largest number of masks.
    """
    if not supply.total():
        yield f"{section}: {where} has no question{certified}: make more questions, or give that split a larger share"
        return
    missing = sorted({phase.max_masks for phase in curriculum} - {masks for masks, count in supply.items() if count})
    if missing and not supply[0]:
        yield (
            f"{section}.curriculum has phases of up to {', '.join(map(str, missing))} masks, but {where} has no "
            f"question with that number{certified}: make more questions, or remove these phases"
        )


def _too_few_fresh(available: int, wanted: int, split: Split) -> Iterator[str]:
    if available < wanted:
        yield (
            f"evolution.questions needs {wanted} fresh questions, but the split {split} has {available} for it: "
            "raise evolution.share, make more questions, or lower evolution.questions"
        )

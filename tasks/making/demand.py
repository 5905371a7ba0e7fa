"""Whether the questions suffice for what the config asks of them: reported when they are made, hours before they lack.

Exactly by the questions themselves (`Count`), or roughly by the figures of questions that are finished
(`shortages_by_figures`), which count what self-evolution and DAPO share once for each of them.
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
from tasks.ramp.figures import ASKABLE, CERTIFIED, is_certified

Supply = Counter[int]
"""Questions by their number of masks."""


class Asker(NamedTuple):
    """A section of the config that asks questions, and its complaints about a supply that is too small."""

    splits: Collection[Split]
    lacks: Callable[[Supply], Iterator[str]]
    takes: Callable[[Question], bool] = lambda question: True


@dataclass(frozen=True)
class Demand:
    """All sections of a config that ask questions. It changes no question: it only says when there are too few."""

    askers: tuple[Asker, ...]
    certified_only: bool

    def counted(self, questions: Iterable[Question], shortages: list[str]) -> Iterator[Question]:
        """The questions unchanged; once they are drawn, ``shortages`` holds a line for everything that they lack."""
        supplies = [Supply() for _ in self.askers]
        for question in questions:
            if not self.certified_only or is_certified(question):
                for asker, supply in zip(self.askers, supplies, strict=True):
                    supply[question.n_masks] += question.split in asker.splits and asker.takes(question)
            yield question
        pairs = zip(self.askers, supplies, strict=True)
        shortages += [words for asker, supply in pairs for words in asker.lacks(supply)]

    def shortages_by_figures(self, figures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[str]:
        """What finished questions lack, by the figures of their stage; empty where an earlier version kept none."""
        counts = figures.get(CERTIFIED if self.certified_only else ASKABLE)
        if counts is None:
            return []
        return [words for asker in self.askers for words in asker.lacks(_supply_of(counts, asker.splits))]


@dataclass(frozen=True)
class EnoughQuestions:
    """A need (`tasks.making.needs`) of a stage that asks: questions that are finished already must suffice."""

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
    """Raises BadInput that names all of it; the questions stay, and their stage goes on under other settings."""
    if shortages:
        raise BadInput("; ".join(shortages))


def _supply_of(counts: Mapping[str, Mapping[str, int]], splits: Collection[Split]) -> Supply:
    supply = Supply()
    for split in splits:
        supply.update({int(masks): count for masks, count in counts.get(split, {}).items()})
    return supply


def is_kept_for_evolution(question: Question, settings: KeptQuestionSettings) -> bool:
    """Whether self-evolution asks the question, and DAPO does not. By hash, so stable over snapshots.

    Of the split that self-evolution asks it has its share, of others none: DAPO has all of `rl` if that is another one.
    """
    if question.split != settings.split:
        return False
    draw = int(digest_of([settings.seed, "evolution", question.question_id])[:8], 16) / 16**8
    return draw < settings.share


def demand_of(config: PipelineConfig) -> Demand:
    """What the sections of this config ask."""
    return Demand(tuple(_askers(config)), config.certified_only)


def _askers(config: PipelineConfig) -> Iterator[Asker]:
    certified = " that is certified (certified_only)" if config.certified_only else ""
    teacher, evolution, dapo, evaluation = config.teacher, config.evolution, config.dapo, config.evaluation
    if teacher is not None:
        where = f"teacher.splits ({', '.join(teacher.splits)})"
        curriculum = config.sft.curriculum if config.sft else []
        yield Asker(set(teacher.splits), lambda supply: _none(supply, where, "sft", curriculum, certified))
    if evolution is not None:
        wanted, split = evolution.questions, evolution.split
        yield Asker(
            {split},
            lambda supply: _fewer(supply.total(), wanted, split),
            lambda question: is_kept_for_evolution(question, evolution),
        )
    if dapo is not None:
        left = "the split rl, less evolution.share," if evolution and evolution.split == Split.RL else "the split rl"
        yield Asker(
            {Split.RL},
            lambda supply: _none(supply, left, "dapo", dapo.curriculum, certified),
            lambda question: not (evolution and is_kept_for_evolution(question, evolution)),
        )
    if evaluation is not None:
        yield Asker({evaluation.split}, lambda supply: too_few(supply, evaluation, config.ramp.masks))


def _none(
    supply: Supply, where: str, section: str, curriculum: Sequence[CurriculumPhase], certified: str
) -> Iterator[str]:
    """Of a section that trains on questions: it needs one at least, and one with as many masks as each phase names."""
    if not supply.total():
        yield f"{section}: {where} holds no question{certified}: make more, or give that split a larger share"
        return
    missing = sorted({phase.max_masks for phase in curriculum} - {masks for masks, count in supply.items() if count})
    if missing and not supply[0]:
        yield (
            f"{section}.curriculum has phases of up to {', '.join(map(str, missing))} masks, but {where} holds no "
            f"question with as many{certified}: make more, or leave these phases out"
        )


def _fewer(there: int, wanted: int, split: Split) -> Iterator[str]:
    if there < wanted:
        yield (
            f"evolution.questions asks for {wanted} fresh questions, but the split {split} holds {there} for it: "
            "raise evolution.share, make more questions, or ask for fewer"
        )

"""Passages and index → RAMP questions with evidence."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.config import PipelineConfig
from schemas.corpus_settings import QuestionSettings
from schemas.counts import counted
from schemas.identity import Reads
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.names import RAMP
from schemas.records import Passage, Proposals, Question, Reject, Split
from schemas.settings import SearchSettings
from schemas.snapshot import language_of
from schemas.split_uses import TRAINING
from tasks.corpus.aliases import aliases_around
from tasks.corpus.passage_scan import pages_named
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, has_rows, no_failed_rows, sorted_out
from tasks.making.demand import Demand, EnoughQuestions, demand_of, refuse_shortage
from tasks.making.needs import Need
from tasks.making.searching import searcher_of
from tasks.making.stage import DataStage, Limit, Name
from tasks.ramp.leaks import read_table, without_leaks
from tasks.ramp.question_counts import figures_of, is_certified
from tasks.ramp.questions import SpanFacts, questions_of_pages, with_proven_terms
from tasks.ramp.recertify import moved, read_passages
from tasks.ramp.splits import Splits
from tasks.ramp.surprisal import read_surprisals
from tasks.spans.proposals import read_proposals
from tasks.stages.duplicates import DuplicateStage, asked_once, duplicates_among
from tasks.stages.earlier import EarlierQuestionStage
from tasks.stages.index import IndexStage, encoder_of
from tasks.stages.leaks import LeakStage, leak_check, leak_figures, little_leaks
from tasks.stages.passages import PassageStage
from tasks.stages.reference import SurprisalStage
from tasks.stages.source import aliases_in, source_in, splits_in
from tasks.stages.spans import SpanStage, by_passages


class QuestionReads(Reads):
    ramp: QuestionSettings
    hits: int
    hold_back: Literal["page", "passage"]
    checked: list[Split] = Field(default_factory=lambda: list(TRAINING))
    """The splits whose questions are rejected if they leak."""

    @property
    def search(self) -> SearchSettings:
        return SearchSettings(hits=self.hits, hold_back=self.hold_back)


@dataclass(frozen=True, kw_only=True)
class QuestionStage(DataStage[QuestionReads]):
    stage = "questions"
    group = "ramp"
    version = 10

    demand: Demand
    max_leaks: Limit

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["QuestionStage"]:
        agent, ramp = config.agent, QuestionSettings.within(config.ramp)
        known = (DuplicateStage, SpanStage, SurprisalStage, LeakStage, EarlierQuestionStage)
        leaks = leak_check(config, RAMP)
        yield cls.once(
            config,
            QuestionReads(ramp=ramp, hits=agent.hits, hold_back=agent.hold_back, checked=leaks.checked),
            source_in(config),
            *aliases_in(config),
            PassageStage.in_config(config),
            IndexStage.in_config(config),
            *(stage.name for kind in known for stage in kind.of(config)),
            needs=encoder_of(config),
            demand=demand_of(config, RAMP),
            max_leaks=leaks.max_share,
        )

    def make(self, making: Making) -> StageManifest:
        if self.reads.ramp.masks_of is not None:
            passages, leaks = making.upstream_paths("passages"), tuple(making.upstream_paths("leaks"))
            again = partial(_recertified, self.reads, making.snapshot, making.index, passages, leaks)
            return self._finish(making, making.map_parts(Question, earlier_parts(making), again))
        splits = splits_in(making, self.reads.ramp)
        work = partial(_questions, self.reads, making.snapshot, making.upstream_paths("aliases"), splits, making.index)
        return self._finish(making, making.map_parts(Question, _given(making), work))

    def _finish(self, making: Making, parts: dict[str, PartManifest]) -> StageManifest:
        paths = map(making.open.parts(Question).data_path, parts)
        questions = (question for path in paths for question in storage.read_rows(path, Question))
        shortages: list[str] = []
        figures = figures_of(self.demand.counted(questions, shortages))
        refuse_shortage(shortages)
        whole = figures["masks"] == figures["masks_promised"]
        gates = [
            has_rows(parts),
            no_failed_rows(parts),
            Gate(name="every question has its masks", holds=whole, detail=counted(figures["masks"], "mask")),
        ]
        if making.has_upstream("leaks"):
            kept = sum(figures["by_split"].get(split, 0) for split in self.reads.checked)
            figures |= leak_figures(map(making.open.parts(Question).rejects_path, parts), kept)
            gates.append(little_leaks(figures, self.max_leaks))
        return making.open.finish(parts=parts, gates=gates, figures=figures)


class _Given(NamedTuple):
    """One part of passages, with the files of earlier stages about it; None if the config has no such stage."""

    passages: str
    proposals: list[str] | None
    surprisals: list[str] | None
    leaks: tuple[str, ...]
    duplicates: tuple[str, ...]
    corpus: str | None

    def facts(self) -> SpanFacts:
        proposals = None if self.proposals is None else read_proposals(self.proposals)
        return SpanFacts(
            proposals,
            None if self.surprisals is None else read_surprisals(self.surprisals),
            None if self.corpus is None or proposals is None else meanings_of(proposals.values(), self.corpus),
        )


def _given(making: Making) -> dict[str, _Given]:
    leaks, duplicates = tuple(making.upstream_paths("leaks")), tuple(making.upstream_paths("duplicates"))
    proposals, surprisals = by_passages(making, "spans"), by_passages(making, "surprisals")
    corpus = making.upstream_folder("corpus") if making.has_upstream("corpus") else None
    return {
        key: _Given(
            path,
            proposals[key] if proposals else None,
            surprisals[key] if surprisals else None,
            leaks,
            duplicates,
            corpus,
        )
        for key, path in making.upstream_parts("passages").items()
    }


def meanings_of(proposals: Iterable[Proposals], corpus: str) -> dict[str, tuple[str, ...]]:
    """The pages of the corpus that are titled like a named span, by the span: they stand in for links."""
    return pages_named(corpus, (span.surface for named in proposals for span in named.spans))


def _questions(
    reads: QuestionReads, snapshot: str, alias_paths: list[str], splits: Splits, index: str, given: _Given
) -> Output:
    from tasks.ramp.evidence import certify

    passages, aliases = storage.read_rows(given.passages, Passage), aliases_around(given.passages, alias_paths)
    made = questions_of_pages(passages, aliases, splits, reads.ramp, language_of(snapshot), given.facts())
    made = asked_once(made, duplicates_among(given.passages, given.duplicates))
    rows = list(without_leaks(made, read_table(given.leaks), reads.checked) if given.leaks else made)
    questions = [row for row in rows if isinstance(row, Question)]
    certified = certify(questions, searcher_of(index), reads.ramp, reads.search)
    rows = [*(row for row in rows if isinstance(row, Reject)), *with_proven_terms(certified)]
    return sorted_out(rows, {"passages": storage.digest_of_file(given.passages)})


def _recertified(
    reads: QuestionReads, snapshot: str, index: str, passages: list[str], leaks: tuple[str, ...], path: str
) -> Output:
    """The questions of one part of the earlier snapshot, with evidence from this snapshot's index."""
    from tasks.ramp.evidence import certify

    earlier = list(storage.read_rows(path, Question))
    own = read_passages(passages, {question.page_id for question in earlier if question.page_id is not None})
    asked: Iterable[Question | Reject] = moved(earlier, own, snapshot)
    rows = list(without_leaks(asked, read_table(leaks), reads.checked) if leaks else asked)
    questions = [row for row in rows if isinstance(row, Question)]
    certified = certify(questions, searcher_of(index), reads.ramp, reads.search)
    rejects = [row for row in rows if isinstance(row, Reject)]
    return Output(certified, rejects, {"questions": storage.digest_of_file(path)})


def earlier_parts(making: Making) -> dict[str, str]:
    """Paths of the earlier snapshot's questions by the keys of their parts."""
    manifest = EarlierQuestionStage.taken(making, "questions")
    paths = Ledger(making.ledger.root, manifest.recipe.snapshot).data_paths("questions", manifest.recipe.label)
    return dict(zip(manifest.parts, paths, strict=True))


def questions_of(config: PipelineConfig, asked: str) -> Name:
    """The stage of a set's questions: of RAMP, or of a set in the config's `sets`."""
    if asked == RAMP:
        return QuestionStage.in_config(config)
    return QuestionStage.stage, config.label(f"{QuestionStage.stage}/{asked}", asked)


def asking_needs(config: PipelineConfig, asked: str) -> tuple[Need, ...]:
    """The needs of a stage that asks the questions of a set with live search."""
    _, label = questions_of(config, asked)
    enough = EnoughQuestions(config.runtime.root, config.snapshot, label, demand_of(config, asked))
    return (*encoder_of(config), enough)


# -- reading questions ------------------------------------------------------------------------------------------------


def asked_of(path: str, splits: Collection[Split], certified_only: bool) -> Iterator[Question]:
    """The questions of a part that may be asked: in these splits and, with ``certified_only``, certified."""
    return (question for _, question in placed(path, splits, certified_only))


def placed(path: str, splits: Collection[Split], certified_only: bool) -> Iterator[tuple[int, Question]]:
    """The questions of a part that may be asked, each with its row number (from 0)."""
    for row_number, question in enumerate(storage.read_rows(path, Question)):
        if question.split in splits and (not certified_only or is_certified(question)):
            yield row_number, question

"""Two snapshots → questions about facts that changed between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from schemas.config import PipelineConfig
from schemas.corpus_settings import ChangeSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Passage, Question
from schemas.settings import SearchSettings
from schemas.snapshot import language_of
from tasks.corpus.aliases import aliases_around
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making, Output, no_failed_rows
from tasks.making.searching import searcher_of
from tasks.making.stage import DataStage
from tasks.ramp.changes import answerable_now, changes_of_page
from tasks.ramp.question_counts import figures_of
from tasks.ramp.questions import changed_question, unfit
from tasks.ramp.recertify import read_passages
from tasks.ramp.splits import Splits
from tasks.stages.earlier import EarlierPassageStage
from tasks.stages.index import IndexStage, encoder_of
from tasks.stages.passages import PassageStage
from tasks.stages.source import aliases_in, source_in, splits_in


class ChangeReads(Reads):
    ramp: ChangeSettings
    hits: int
    hold_back: Literal["page", "passage"]

    @property
    def search(self) -> SearchSettings:
        return SearchSettings(hits=self.hits, hold_back=self.hold_back)


@dataclass(frozen=True, kw_only=True)
class ChangeStage(DataStage[ChangeReads]):
    """Questions about facts that the earlier snapshot states differently; only this snapshot's index answers them."""

    stage = "changes"
    group = "ramp"
    version = 8

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["ChangeStage"]:
        if config.ramp.changed_since is None:
            return
        agent, ramp = config.agent, ChangeSettings.within(config.ramp)
        yield cls.once(
            config,
            ChangeReads(ramp=ramp, hits=agent.hits, hold_back=agent.hold_back),
            source_in(config),
            *aliases_in(config),
            PassageStage.in_config(config),
            IndexStage.in_config(config),
            EarlierPassageStage.in_config(config),
            needs=encoder_of(config),
        )

    def make(self, making: Making) -> StageManifest:
        passages, index = (EarlierPassageStage.taken(making, stage).recipe for stage in EarlierPassageStage.noted)
        earlier = Ledger(making.ledger.root, passages.snapshot)
        work = _Work(
            self.reads,
            making.snapshot,
            splits_in(making, self.reads.ramp),
            making.upstream_paths("aliases"),
            making.index,
            earlier.data_paths("passages", passages.label),
            storage.join(earlier.folder("index", index.label), "index"),
        )
        parts = making.map_parts(Question, making.upstream_parts("passages"), work)
        paths = map(making.open.parts(Question).data_path, parts)
        figures = figures_of(question for path in paths for question in storage.read_rows(path, Question))
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures)


@dataclass(frozen=True)
class _Work:
    """The work on one part of the passages, given its path. The fields are the same for all parts."""

    reads: ChangeReads
    snapshot: str
    splits: Splits
    aliases: list[str]
    index: str
    earlier_passages: list[str]
    earlier_index: str

    def __call__(self, path: str) -> Output:
        from tasks.ramp.evidence import certify

        ramp, search = self.reads.ramp, self.reads.search
        aliases, language = aliases_around(path, self.aliases), language_of(self.snapshot)
        rows = groupby(storage.read_rows(path, Passage), lambda row: row.page_id)
        pages = {page_id: list(passages) for page_id, passages in rows}
        before = read_passages(self.earlier_passages, pages)
        questions = [
            changed_question(passage, span, change, aliases, self.splits, ramp, language)
            for page_id, now in pages.items()
            for passage, span, change in changes_of_page(before.get(page_id, []), now, aliases, language)
            if unfit(passage, ramp, language) is None
        ]
        now_found = certify(questions, searcher_of(self.index), ramp, search)
        then_found = certify(questions, searcher_of(self.earlier_index), ramp, search)
        kept, rejects = answerable_now(now_found, then_found)
        return Output(kept, rejects, {"passages": storage.digest_of_file(path)})

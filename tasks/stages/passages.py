"""Pages → passages."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from schemas.config import PipelineConfig
from schemas.corpus_settings import PassageSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Page, Passage
from tasks.corpus import passages
from tasks.ledger import storage
from tasks.making.context import Making, Output, has_rows, no_failed_rows
from tasks.making.stage import DataStage
from tasks.stages.pages import PageStage


class PassageReads(Reads):
    passages: PassageSettings


@dataclass(frozen=True, kw_only=True)
class PassageStage(DataStage[PassageReads]):
    stage = "passages"
    group = "corpus"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["PassageStage"]:
        for pages in PageStage.of(config):
            yield cls.once(config, PassageReads(passages=config.passages), pages.name)

    def make(self, making: Making) -> StageManifest:
        work = partial(_passages, self.reads.passages)
        parts = making.map_parts(Passage, making.upstream_parts("pages"), work)
        return making.open.finish(parts=parts, gates=[has_rows(parts), no_failed_rows(parts)])


def _passages(settings: PassageSettings, path: str) -> Output:
    rows = (row for page in storage.read_rows(path, Page) for row in passages.passages_of(page, settings))
    return Output(rows, [], {"pages": storage.digest_of_file(path)})

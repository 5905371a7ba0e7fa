"""Passages → the search index."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.corpus_settings import IndexSettings
from schemas.identity import Reads
from schemas.jobs import IndexJob
from schemas.manifest import StageManifest
from tasks.making.context import Making
from tasks.making.needs import Encoder, FileSystem, Need
from tasks.making.stage import DataStage
from tasks.stages.passages import PassageStage


class IndexReads(Reads):
    index: IndexSettings


@dataclass(frozen=True, kw_only=True)
class IndexStage(DataStage[IndexReads]):
    stage = "index"
    group = "corpus"
    version = 2

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["IndexStage"]:
        reads = IndexReads(index=config.index.of(config.snapshot))
        needs = (FileSystem(config.runtime.root), *encoder_of(config))
        yield cls.once(config, reads, PassageStage.in_config(config), needs=needs)

    def make(self, making: Making) -> StageManifest:
        job = IndexJob(
            output=making.folder,
            snapshot=making.snapshot,
            settings=self.reads.index,
            passages=making.upstream_paths("passages"),
        )
        built = making.run_job("tasks.indexing.job", job)
        return making.open.finish(
            made="index", rows=built.figures["documents"], figures=built.figures, seconds=built.seconds
        )


def encoder_of(config: PipelineConfig) -> tuple[Need, ...]:
    """The needs of a stage that searches: the index's encoder, if it has one."""
    encoder = config.index.encoder
    return () if encoder is None else (Encoder(encoder.path, encoder.max_tokens),)

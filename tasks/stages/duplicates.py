"""Passages → signatures → near-duplicates of passages that are kept."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow.compute as pc

from schemas.config import PipelineConfig
from schemas.corpus_settings import NearDuplicateSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Duplicate, Passage, Question, Reject, Signature
from tasks.ledger import storage
from tasks.making.context import Making, Output, no_failed_rows
from tasks.making.stage import DataStage
from tasks.stages.passages import PassageStage


class DuplicateReads(Reads):
    near_duplicates: NearDuplicateSettings


@dataclass(frozen=True, kw_only=True)
class SignatureStage(DataStage[DuplicateReads]):
    stage = "signatures"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["SignatureStage"]:
        if config.near_duplicates is not None:
            reads = DuplicateReads(near_duplicates=config.near_duplicates)
            yield cls.once(config, reads, PassageStage.in_config(config))

    def make(self, making: Making) -> StageManifest:
        work = partial(_signatures, self.reads.near_duplicates)
        parts = making.map_parts(Signature, making.upstream_parts("passages"), work)
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)])


def _signatures(settings: NearDuplicateSettings, path: str) -> Output:
    from tasks.corpus.near_duplicates import signatures_of

    rows = signatures_of(storage.read_rows(path, Passage), settings)
    return Output(rows, [], {"passages": storage.digest_of_file(path)})


@dataclass(frozen=True, kw_only=True)
class DuplicateStage(DataStage[DuplicateReads]):
    """Reduce: near-duplicates among all passages."""

    stage = "duplicates"
    group = "ramp"

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["DuplicateStage"]:
        if config.near_duplicates is not None:
            reads = DuplicateReads(near_duplicates=config.near_duplicates)
            yield cls.once(config, reads, SignatureStage.in_config(config))

    def make(self, making: Making) -> StageManifest:
        upstream = making.upstream("signatures")
        work = partial(_duplicates, making.snapshot, self.reads.near_duplicates, upstream.digest)
        parts = making.map_parts(Duplicate, {"all": making.upstream_paths("signatures")}, work)
        dropped = sum(part.rows for part in parts.values())
        figures = {"passages": upstream.rows, "dropped": dropped, "share": round(dropped / max(upstream.rows, 1), 4)}
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures)


def _duplicates(snapshot: str, settings: NearDuplicateSettings, digest: str, paths: list[str]) -> Output:
    from tasks.corpus.near_duplicates import duplicates_of

    return Output(duplicates_of(paths, settings, snapshot), [], {"signatures": digest})


def duplicates_among(passages: str, paths: Sequence[str]) -> frozenset[str]:
    """The ids of the near-duplicates in one part of passages; ``paths`` are the parts of the stage `duplicates`."""
    own = storage.read_table(passages, columns=["passage_id"])["passage_id"]
    names = (batch["passage_id"] for path in paths for batch in storage.read_batches(path, columns=["passage_id"]))
    return frozenset(name for ids in names for name in ids.filter(pc.is_in(ids, value_set=own)).to_pylist())


def asked_once(rows: Iterable[Question | Reject], duplicates: Collection[str]) -> Iterator[Question | Reject]:
    """Replace each question about a near-duplicate passage by a reject."""
    for row in rows:
        if isinstance(row, Question) and row.passage_id in duplicates:
            yield Reject(
                snapshot=row.snapshot,
                row_id=row.question_id,
                reason="near_duplicate",
                failed=False,
                detail=str(row.passage_id),
            )
        else:
            yield row

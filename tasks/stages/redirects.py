"""Dump → redirects → aliases of every page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from schemas.config import PipelineConfig
from schemas.corpus_settings import CuttingSettings
from schemas.identity import Reads
from schemas.manifest import StageManifest
from schemas.records import Alias, Redirect
from tasks.corpus import aliases, pages
from tasks.dumps import repeats
from tasks.dumps.dumps import DumpRange
from tasks.dumps.repeats import Repeats
from tasks.dumps.xml import PageNumbers
from tasks.making.context import Making, Output, no_failed_rows, sorted_out
from tasks.making.stage import DataStage, Limit
from tasks.stages.dump import DumpStage, location_of, ranges_of


class RedirectReads(Reads):
    pages: CuttingSettings


@dataclass(frozen=True, kw_only=True)
class RedirectStage(DataStage[RedirectReads]):
    stage = "redirects"
    group = "corpus"
    version = 3

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["RedirectStage"]:
        reads = RedirectReads(pages=CuttingSettings.within(config.pages))
        for dump in DumpStage.of(config):
            yield cls.once(config, reads, dump.name, **location_of(config))

    def make(self, making: Making) -> StageManifest:
        notes: list[str] = []
        work = partial(_redirects, making.snapshot, making.upstream("dump").digest)
        ranges = ranges_of(making, self.locations, self.reads.pages.part_mb, notes)
        parts = making.map_parts(Redirect, ranges, work)
        figures = {"notes": notes} if notes else {}
        return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures)


def _redirects(snapshot: str, dump: str, found: DumpRange) -> Output:
    numbers = PageNumbers()
    rows = pages.read_redirects(found, snapshot, numbers)
    return sorted_out(rows, {"dump": dump})._replace(figures=numbers.counts)


def repeats_in(making: Making, locations: Sequence[str], part_mb: float) -> Repeats:
    """The pages that the dump contains more than once, found through the page numbers in the redirects' figures."""
    counts = {key: part.figures for key, part in making.upstream_manifests("redirects").items()}
    suspects = repeats.suspected(counts)
    ranges = ranges_of(making, locations, part_mb) if suspects else {}
    return repeats.find_repeats({key: ranges[key] for key in suspects})


class AliasReads(Reads):
    """No settings: aliases follow from the redirects alone."""


@dataclass(frozen=True, kw_only=True)
class AliasStage(DataStage[AliasReads]):
    """Reduce: all redirects, grouped by the page that they lead to."""

    stage = "aliases"
    group = "corpus"
    version = 2

    part_mb: Limit
    """The size of the redirects' parts, to find the ranges with repeated pages again. It changes no row."""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["AliasStage"]:
        part_mb = Limit(config.pages.part_mb)
        for dump in DumpStage.of(config):
            upstreams = (dump.name, RedirectStage.in_config(config))
            yield cls.once(config, AliasReads(), *upstreams, part_mb=part_mb, **location_of(config))

    def make(self, making: Making) -> StageManifest:
        repeated = repeats_in(making, self.locations, self.part_mb)
        work = partial(_aliases, making.snapshot, making.upstream("redirects").digest, repeated)
        parts = making.map_parts(Alias, {"all": making.upstream_paths("redirects")}, work)
        return making.open.finish(parts=parts)


def _aliases(snapshot: str, digest: str, repeated: Repeats, paths: list[str]) -> Output:
    found = aliases.by_target(paths, repeated)
    rows = (Alias(snapshot=snapshot, title=title, redirects=titles) for title, titles in found)
    return Output(rows, [], {"redirects": digest})

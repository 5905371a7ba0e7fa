"""Dump and aliases → pages."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.config import PipelineConfig
from schemas.corpus_settings import CleaningSettings
from schemas.identity import Reads
from schemas.manifest import Gate, PartManifest, Recipe, StageManifest, digest_of
from schemas.records import Page, Reject
from tasks.corpus import aliases, pages
from tasks.corpus.reuse import EarlierPages, EarlierPart, earlier_part
from tasks.dumps.dumps import DumpRange
from tasks.dumps.losses import losses_of
from tasks.dumps.repeats import Repeats
from tasks.dumps.xml import read_site
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.making.context import Making, Output, has_rows, no_failed_rows, sorted_out
from tasks.making.stage import DataStage, Limit
from tasks.stages.dump import DumpStage, dump_of, location_of, ranges_of
from tasks.stages.redirects import AliasStage, RedirectStage, repeats_in


class PageReads(Reads):
    pages: CleaningSettings


@dataclass(frozen=True, kw_only=True)
class PageStage(DataStage[PageReads]):
    stage = "pages"
    group = "corpus"
    version = 3

    max_lost_share: Limit

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["PageStage"]:
        for dump in DumpStage.of(config):
            yield cls.once(
                config,
                PageReads(pages=CleaningSettings.within(config.pages)),
                dump.name,
                RedirectStage.in_config(config),
                AliasStage.in_config(config),
                max_lost_share=Limit(config.pages.max_lost_share),
                **location_of(config),
            )

    def make(self, making: Making) -> StageManifest:
        settings = self.reads.pages
        ranges = ranges_of(making, self.locations, settings.part_mb)
        inputs = {stage: making.upstream(stage).digest for stage in ("dump", "aliases")}
        inputs["sites"] = _digest_of_sites(list(ranges.values()))
        # The small world uses page numbers as revision ids, so equal ids do not mean equal text: reuse nothing.
        earlier = _earlier_parts(making, inputs["sites"]) if self.locations else []
        repeated = repeats_in(making, self.locations, settings.part_mb)
        work = PageWork(making.snapshot, settings, inputs, making.upstream_paths("aliases"), earlier, repeated)
        parts = making.map_parts(Page, ranges, work)
        counts = [part.figures for part in parts.values()]
        figures = {name: sum(found.get(name, 0) for found in counts) for name in ("reused", "read_anew")}
        gates = [has_rows(parts), no_failed_rows(parts), self._little_lost(making, parts)]
        return making.open.finish(parts=parts, gates=gates, figures=figures)

    def _little_lost(self, making: Making, parts: dict[str, PartManifest]) -> Gate:
        """Whether the share of the dump that could not be read is within the config's limit."""
        of_pages = making.open.parts(Page)
        paths = [of_pages.rejects_path(key) for key, part in parts.items() if part.rejects]
        losses = losses_of(row for path in paths for row in storage.read_rows(path, Reject))
        n_pages = sum(part.rows + sum(part.rejects.values()) for part in parts.values())
        share, allowed = losses.share(dump_of(making, self.locations).size, n_pages), self.max_lost_share
        detail = f"{share:.2%} of the dump could not be read ({losses}); pages.max_lost_share allows {allowed:.2%}"
        return Gate(name="little is lost", holds=share <= allowed, detail=detail)


@dataclass(frozen=True)
class PageWork:
    """The work on one part, given its range of the dump. The fields are the same for all parts."""

    snapshot: str
    settings: CleaningSettings
    inputs: dict[str, str]
    aliases: list[str]
    earlier: list[EarlierPart]
    repeats: Repeats

    def __call__(self, found: DumpRange) -> Output:
        earlier = EarlierPages(self.earlier)
        rows = pages.read_pages(found, self.snapshot, self.settings, earlier, self.repeats)
        joined = partial(aliases.with_redirects, self.aliases)
        return sorted_out(rows, self.inputs)._replace(figures=earlier.counts, joined=joined)


def _digest_of_sites(ranges: list[DumpRange]) -> str:
    """The digest of the namespaces and title rules in the dump's files, which cleaning depends on."""
    sites = [read_site(found) for found in {found.path: found for found in ranges}.values()]
    return digest_of(sorted({digest_of([sorted(site.namespaces.items()), site.first_letter]) for site in sites}))


def _earlier_parts(making: Making, sites: str) -> list[EarlierPart]:
    """The parts of the latest earlier snapshot of this wiki whose pages were cleaned with the same settings."""
    for ledger in making.ledger.earlier("pages"):
        for manifest in ledger.finished("pages"):
            recipe = manifest.recipe
            if recipe.version == making.open.recipe.version and _cleaning(recipe) == _cleaning(making.open.recipe):
                folder = ledger.folder(recipe.stage, recipe.label)
                done = Parts(folder, manifest.fingerprint, Page, ledger.snapshot).done()
                paths = [
                    storage.join(folder, f"part-{key}.parquet")
                    for key, part in done.items()
                    if part.inputs.get("sites") == sites
                ]
                return [part for path in paths if (part := earlier_part(path)) is not None]
    return []


def _cleaning(recipe: Recipe) -> dict[str, Any]:
    """The settings that rows depend on. The size of parts is not one of them."""
    return {name: value for name, value in recipe.settings["pages"].items() if name != "part_mb"}

"""Dump → redirects → aliases → pages → passages → near-duplicates, index."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow.compute as pc

from schemas.corpus_settings import NearDuplicateSettings, PageSettings, PassageSettings
from schemas.errors import BadInput
from schemas.jobs import IndexJob
from schemas.manifest import Gate, PartManifest, Recipe, StageManifest, digest_of
from schemas.records import Alias, Duplicate, Page, Passage, Question, Redirect, Reject, Signature
from tasks.corpus import aliases, pages, passages
from tasks.corpus.reuse import EarlierPages, EarlierPart, earlier_part
from tasks.dumps import dumps, repeats
from tasks.dumps.dumps import Dump, DumpRange
from tasks.dumps.losses import losses_of
from tasks.dumps.repeats import Repeats
from tasks.dumps.xml import PageNumbers, read_site
from tasks.jobs import Progress
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger, Parts
from tasks.making.context import Making, Output, has_rows, no_failed_rows, sorted_out

_log = logging.getLogger(__name__)


def dump_of(making: Making) -> Dump:
    """The dump that the config names, or that the small world's stage wrote.

    Raises:
        BadInput: there is none, it is not whole, or it is of another snapshot.
    """
    dump = dumps.find_dump(making.config.dump_path or making.ledger.folder("dump", making.config.label("dump")))
    if dump.snapshot not in (None, making.snapshot):
        raise BadInput(f"{dump.path}: a dump of {dump.snapshot}, and the snapshot is {making.snapshot}: change either")
    return dump


def make_dump(making: Making) -> StageManifest:
    """Write the small world, or take note of a dump that is there: its files stay where they are."""
    if making.config.world is not None:
        from tasks.corpus.smallworld import write_world

        write_world(making.config.world, making.snapshot, making.folder)
    dump = dump_of(making)
    seen = outside.look_at({file.name: file.path for file in dump.files})
    figures = {"file": dump.path.rpartition("/")[2], "bytes": dump.size, "sha256": dump.digest}
    if making.config.dump_path is not None:
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{dump.digest}\n".encode())
        outside.remember(making.folder, [making.config.dump_path], seen)
    return making.open.finish(figures=figures)


def changed_dump(ledger: Ledger, made: StageManifest, places: Sequence[str]) -> list[str]:
    """In what the dump at a place is another than the one that the stage took note of, in words."""
    (place,) = places
    folder = ledger.folder(made.recipe.stage, made.recipe.label)
    seen = outside.remembered(folder)
    there = outside.look_at({name: _path_of(name, place) for name in seen.files})
    if outside.is_as_remembered(seen, there) or not (seen.files or outside.look_at({place: place})):
        return []
    try:
        with outside.asking(place):
            dump = dumps.find_dump(place)
        noted = outside.Noted("the dump", made.figures["sha256"], made.figures["bytes"])
        paths = {file.name: file.path for file in dump.files}
        return outside.changes_of(folder, places, paths, noted, lambda _: dump.digest)
    except BadInput as error:
        return [str(error)] if there else []


def _path_of(name: str, place: str) -> str:
    """Of a file of a dump, whose place is the file's or its folder's."""
    return place if place.rstrip("/").rpartition("/")[2] == name else storage.join(place, name)


def _ranges(making: Making, settings: PageSettings, notes: list[str] | None = None) -> dict[str, DumpRange]:
    """The parts of the dump by key; ``notes`` gathers what was wrong beside it."""
    dump = dump_of(making)

    def noted(note: str) -> None:
        _log.warning(note)
        making.on_progress(Progress(done=0, total=1, unit="parts", note=note))
        if notes is not None:
            notes.append(note)

    if making.config.dump_path is not None:
        there = [file.name for file in dump.files]
        outside.refuse_gone(making.upstream_folder("dump"), there, making.config.dump_path)
    return {found.key: found for found in dumps.cut(dump, settings.part_mb, noted)}


def _redirects(snapshot: str, dump: str, found: DumpRange) -> Output:
    numbers = PageNumbers()
    rows = pages.read_redirects(found, snapshot, numbers)
    return sorted_out(rows, {"dump": dump})._replace(figures=numbers.counts)


def make_redirects(making: Making) -> StageManifest:
    notes: list[str] = []
    work = partial(_redirects, making.snapshot, making.upstream("dump").digest)
    parts = making.map_parts(Redirect, _ranges(making, making.config.pages, notes), work)
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures={"notes": notes} if notes else {})


def _repeats(making: Making) -> Repeats:
    """The pages that the dump has more than once, by what the redirects' parts noted of its numbers."""
    counts = {key: part.figures for key, part in making.upstream_manifests("redirects").items()}
    suspects = repeats.suspected(counts)
    ranges = _ranges(making, making.config.pages) if suspects else {}
    return repeats.find_repeats({key: ranges[key] for key in suspects})


def _aliases(snapshot: str, digest: str, repeated: Repeats, paths: list[str]) -> Output:
    found = aliases.by_target(paths, repeated)
    rows = (Alias(snapshot=snapshot, title=title, redirects=titles) for title, titles in found)
    return Output(rows, [], {"redirects": digest})


def make_aliases(making: Making) -> StageManifest:
    """Reduce: all redirects by the page they lead to."""
    work = partial(_aliases, making.snapshot, making.upstream("redirects").digest, _repeats(making))
    parts = making.map_parts(Alias, {"all": list(making.upstream_parts("redirects").values())}, work)
    return making.open.finish(parts=parts)


@dataclass(frozen=True)
class PageWork:
    """What the work on every part of the pages needs besides its range."""

    snapshot: str
    settings: PageSettings
    inputs: dict[str, str]
    aliases: list[str]
    earlier: list[EarlierPart]
    repeats: Repeats

    def __call__(self, found: DumpRange) -> Output:
        earlier = EarlierPages(self.earlier)
        rows = pages.read_pages(found, self.snapshot, self.settings, earlier, self.repeats)
        joined = partial(aliases.with_redirects, self.aliases)
        return sorted_out(rows, self.inputs)._replace(figures=earlier.counts, joined=joined)


def make_pages(making: Making) -> StageManifest:
    settings, ranges = making.config.pages, _ranges(making, making.config.pages)
    inputs = {stage: making.upstream(stage).digest for stage in ("dump", "aliases")}
    inputs["sites"] = _digest_of_sites(list(ranges.values()))
    of_wiki = list(making.upstream_parts("aliases").values())
    earlier = _earlier_parts(making, inputs["sites"])
    work = PageWork(making.snapshot, settings, inputs, of_wiki, earlier, _repeats(making))
    parts = making.map_parts(Page, ranges, work)
    counts = [part.figures for part in parts.values()]
    figures = {name: sum(found.get(name, 0) for found in counts) for name in ("reused", "read_anew")}
    gates = [has_rows(parts), no_failed_rows(parts), _little_lost(making, parts)]
    return making.open.finish(parts=parts, gates=gates, figures=figures)


def _digest_of_sites(ranges: list[DumpRange]) -> str:
    """Of what the files say of namespaces and titles, which cleaning reads."""
    sites = [read_site(found) for found in {found.path: found for found in ranges}.values()]
    return digest_of(sorted({digest_of([sorted(site.namespaces.items()), site.first_letter]) for site in sites}))


def _earlier_parts(making: Making, sites: str) -> list[EarlierPart]:
    """The parts of the latest earlier snapshot of this wiki whose pages were cleaned in the same way.

    None for the small world: its revisions are numbers of pages, whatever they say.
    """
    if making.config.world is not None:
        return []
    for ledger in making.ledger.earlier("pages"):
        for manifest in ledger.finished("pages"):
            recipe = manifest.recipe
            if recipe.version == making.open.recipe.version and _cleaning(recipe) == _cleaning(making.open.recipe):
                folder = ledger.folder(recipe.stage, recipe.label)
                done = Parts(folder, manifest.fingerprint, Page, ledger.snapshot).done()
                paths = [
                    storage.join(folder, f"part-{key}.parquet") for key, part in done.items() if _same(part, sites)
                ]
                return [part for path in paths if (part := earlier_part(path)) is not None]
    return []


def _cleaning(recipe: Recipe) -> dict[str, Any]:
    """The settings that rows depend on: how a dump is cut is not one of them."""
    return {name: value for name, value in recipe.settings["pages"].items() if name != "part_mb"}


def _same(part: PartManifest, sites: str) -> bool:
    return part.inputs.get("sites") == sites


def _little_lost(making: Making, parts: dict[str, PartManifest]) -> Gate:
    """Whether what could not be read of the dump is within what the config allows."""
    of_pages = making.open.parts(Page)
    paths = [of_pages.rejects_path(key) for key, part in parts.items() if part.rejects]
    losses = losses_of(row for path in paths for row in storage.read_rows(path, Reject))
    n_pages = sum(part.rows + sum(part.rejects.values()) for part in parts.values())
    share, allowed = losses.share(dump_of(making).size, n_pages), making.config.pages.max_lost_share
    detail = f"{share:.2%} of the dump could not be read ({losses}); pages.max_lost_share allows {allowed:.2%}"
    return Gate(name="little is lost", holds=share <= allowed, detail=detail)


def _passages(settings: PassageSettings, path: str) -> Output:
    rows = (row for page in storage.read_rows(path, Page) for row in passages.passages_of(page, settings))
    return Output(rows, [], {"pages": storage.digest_of_file(path)})


def make_passages(making: Making) -> StageManifest:
    work = partial(_passages, making.config.passages)
    parts = making.map_parts(Passage, making.upstream_parts("pages"), work)
    return making.open.finish(parts=parts, gates=[has_rows(parts), no_failed_rows(parts)])


def _signatures(settings: NearDuplicateSettings, path: str) -> Output:
    from tasks.corpus.near_duplicates import signatures_of

    rows = signatures_of(storage.read_rows(path, Passage), settings)
    return Output(rows, [], {"passages": storage.digest_of_file(path)})


def make_signatures(making: Making) -> StageManifest:
    settings = making.config.near_duplicates
    assert settings is not None
    parts = making.map_parts(Signature, making.upstream_parts("passages"), partial(_signatures, settings))
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)])


def _duplicates(snapshot: str, settings: NearDuplicateSettings, digest: str, paths: list[str]) -> Output:
    from tasks.corpus.near_duplicates import duplicates_of

    return Output(duplicates_of(paths, settings, snapshot), [], {"signatures": digest})


def make_duplicates(making: Making) -> StageManifest:
    """Reduce: the passages that are nearly the same as one that is kept."""
    settings, upstream = making.config.near_duplicates, making.upstream("signatures")
    assert settings is not None
    work = partial(_duplicates, making.snapshot, settings, upstream.digest)
    parts = making.map_parts(Duplicate, {"all": list(making.upstream_parts("signatures").values())}, work)
    dropped = sum(part.rows for part in parts.values())
    figures = {"passages": upstream.rows, "dropped": dropped, "share": round(dropped / max(upstream.rows, 1), 4)}
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)], figures=figures)


def duplicate_paths(making: Making) -> list[str]:
    """The parts of the table of near-duplicates; none where the config does not look for them."""
    return [] if making.config.near_duplicates is None else list(making.upstream_parts("duplicates").values())


def duplicates_among(passages: str, paths: Sequence[str]) -> frozenset[str]:
    """The ids of a part's passages that another passage stands for; ``paths`` are the parts of the duplicates."""
    own = storage.read_table(passages, columns=["passage_id"])["passage_id"]
    names = (batch["passage_id"] for path in paths for batch in storage.read_batches(path, columns=["passage_id"]))
    return frozenset(name for ids in names for name in ids.filter(pc.is_in(ids, value_set=own)).to_pylist())


def asked_once(rows: Iterable[Question | Reject], duplicates: Collection[str]) -> Iterator[Question | Reject]:
    """A reject in place of every question about a passage that another one stands for."""
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


def make_index(making: Making) -> StageManifest:
    paths = list(making.upstream_parts("passages").values())
    settings = making.config.index.of(making.snapshot)
    job = IndexJob(output=making.folder, snapshot=making.snapshot, settings=settings, passages=paths)
    built = making.run_job("tasks.indexing.job", job)
    return making.open.finish(
        made="index", rows=built.figures["documents"], figures=built.figures, seconds=built.seconds
    )

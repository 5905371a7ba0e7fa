"""Dump → redirects → aliases → pages → passages → index."""

from collections.abc import Iterable, Iterator
from functools import partial

from schemas.errors import BadInput
from schemas.jobs import IndexJob
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Alias, Page, Passage, Record, Redirect, Reject
from schemas.settings import PageSettings, PassageSettings
from tasks import storage
from tasks.corpus import dumps, pages, passages
from tasks.corpus.dumps import Dump, DumpRange
from tasks.corpus.losses import losses_of
from tasks.making.context import Making, Output, has_rows, no_failed_rows


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
    figures = {"file": dump.path.rpartition("/")[2], "bytes": dump.size, "sha256": dump.digest}
    if making.config.world is None:
        storage.write_bytes(storage.join(making.folder, "sha256"), f"{dump.digest}\n".encode())
    return making.open.finish(figures=figures)


def _ranges(making: Making, settings: PageSettings) -> dict[str, DumpRange]:
    return {found.key: found for found in dumps.cut(dump_of(making), settings.part_mb)}


def _sorted_out(rows: Iterable[Record], inputs: dict[str, str]) -> Output:
    rejects: list[Reject] = []

    def kept() -> Iterator[Record]:
        for row in rows:
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                yield row

    return Output(kept(), rejects, inputs)


def _redirects(snapshot: str, dump: str, found: DumpRange) -> Output:
    return _sorted_out(pages.read_redirects(found, snapshot), {"dump": dump})


def make_redirects(making: Making) -> StageManifest:
    work = partial(_redirects, making.snapshot, making.upstream("dump").digest)
    parts = making.map_parts(Redirect, _ranges(making, making.config.pages), work)
    return making.open.finish(parts=parts, gates=[no_failed_rows(parts)])


def _aliases(snapshot: str, digest: str, paths: list[str]) -> Output:
    by_target: dict[str, list[str]] = {}
    for path in paths:
        for row in storage.read_rows(path, Redirect):
            by_target.setdefault(row.target, []).append(row.title)
    rows = [Alias(snapshot=snapshot, title=title, redirects=sorted(by_target[title])) for title in sorted(by_target)]
    return Output(rows, [], {"redirects": digest})


def make_aliases(making: Making) -> StageManifest:
    """Reduce: all redirects by the page they lead to."""
    work = partial(_aliases, making.snapshot, making.upstream("redirects").digest)
    parts = making.map_parts(Alias, {"all": list(making.upstream_parts("redirects").values())}, work)
    return making.open.finish(parts=parts)


def read_aliases(paths: list[str]) -> dict[str, list[str]]:
    """Redirects by the title of the page they lead to."""
    return {row.title: row.redirects for path in paths for row in storage.read_rows(path, Alias)}


def _pages(
    snapshot: str, settings: PageSettings, digests: dict[str, str], alias_paths: list[str], found: DumpRange
) -> Output:
    return _sorted_out(pages.read_pages(found, snapshot, read_aliases(alias_paths), settings), digests)


def make_pages(making: Making) -> StageManifest:
    digests = {stage: making.upstream(stage).digest for stage in ("dump", "aliases")}
    settings = making.config.pages
    work = partial(_pages, making.snapshot, settings, digests, list(making.upstream_parts("aliases").values()))
    parts = making.map_parts(Page, _ranges(making, settings), work)
    gates = [has_rows(parts), no_failed_rows(parts), _little_lost(making, parts)]
    return making.open.finish(parts=parts, gates=gates)


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


def make_index(making: Making) -> StageManifest:
    paths = list(making.upstream_parts("passages").values())
    job = IndexJob(output=making.folder, snapshot=making.snapshot, settings=making.config.index, passages=paths)
    built = making.run_job("tasks.indexing_job", job)
    return making.open.finish(
        made="index", rows=built.figures["documents"], figures=built.figures, seconds=built.seconds
    )

"""Dump → redirects → aliases → pages → passages → near-duplicates, index."""

from collections.abc import Iterable, Iterator
from functools import partial

from schemas.errors import BadInput
from schemas.jobs import IndexJob
from schemas.manifest import Gate, PartManifest, StageManifest
from schemas.records import Alias, Duplicate, Page, Passage, Record, Redirect, Reject, Signature
from schemas.settings import NearDuplicateSettings, PageSettings, PassageSettings
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


def read_duplicates(paths: list[str]) -> frozenset[str]:
    """The ids of the passages that another one stands for."""
    return frozenset(
        name for path in paths for name in storage.read_table(path, columns=["passage_id"])["passage_id"].to_pylist()
    )


def make_index(making: Making) -> StageManifest:
    paths = list(making.upstream_parts("passages").values())
    job = IndexJob(output=making.folder, snapshot=making.snapshot, settings=making.config.index, passages=paths)
    built = making.run_job("tasks.indexing_job", job)
    return making.open.finish(
        made="index", rows=built.figures["documents"], figures=built.figures, seconds=built.seconds
    )

"""Redirects by the page they lead to: gathered once for a whole wiki, looked up for the titles of one part.

English Wikipedia has more redirects than pages, which would take gigabytes as Python objects in every worker. They
stay Arrow columns; only the rows that a part needs become objects.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.dumps.repeats import Kept, Repeats
from tasks.ledger import storage

_BATCH = 65_536
_NO_REPEATS: Mapping[int, Kept] = {}


def by_target(paths: Sequence[str], repeats: Repeats = _NO_REPEATS) -> Iterator[tuple[str, list[str]]]:
    """Each target in the redirects of these Parquet files, in order, with the titles that lead to it, in order.

    If the dump has a page more than once (``repeats``), only the revision that is kept counts.
    """
    for target, pairs in groupby(_in_order(paths, repeats), key=itemgetter(0)):
        yield target, [title for title, _ in groupby(title for _, title in pairs)]


def _in_order(paths: Sequence[str], repeats: Repeats) -> Iterator[tuple[str, str]]:
    """Targets and titles. Memory holds the two columns, their order, and the objects of one batch."""
    redirects = pa.concat_tables(_table(path, repeats) for path in paths)
    order = pc.sort_indices(redirects, [("target", "ascending"), ("title", "ascending")])
    for start in range(0, len(order), _BATCH):
        batch = redirects.take(order[start : start + _BATCH])
        yield from zip(batch["target"].to_pylist(), batch["title"].to_pylist(), strict=True)


def _table(path: str, repeats: Repeats) -> pa.Table:
    columns = ["target", "title"]
    if not repeats:
        return storage.read_table(path, columns=columns)
    rows = storage.read_table(path, columns=[*columns, "page_id", "revision_id"])
    pages = zip(rows["page_id"].to_pylist(), rows["revision_id"].to_pylist(), strict=True)
    counts = [page_id not in repeats or repeats[page_id].revision_id == revision for page_id, revision in pages]
    return rows.filter(pa.array(counts, pa.bool_())).select(columns)


def aliases_of(paths: Sequence[str], titles: pa.Array | pa.ChunkedArray) -> dict[str, list[str]]:
    """The redirects of these pages by title, without pages that have none; ``paths`` are the parts of aliases."""
    return _aliases_of(paths, titles, _titled)


def aliases_around(passages: str, paths: Sequence[str]) -> dict[str, list[str]]:
    """The redirects, by title, of the pages that a part of passages comes from or links to.

    A link may also name the title of a redirect.
    """
    table = storage.read_table(passages, columns=["title", "links"])
    targets = pc.struct_field(pc.list_flatten(table["links"]), "target")
    titles = pa.chunked_array([*table["title"].chunks, *targets.chunks], pa.string())
    return _aliases_of(paths, titles, lambda rows, wanted: pc.or_(_titled(rows, wanted), _led_to(rows, wanted)))


def _aliases_of(
    paths: Sequence[str],
    titles: pa.Array | pa.ChunkedArray,
    is_wanted: Callable[[pa.RecordBatch, pa.Array], pa.Array],
) -> dict[str, list[str]]:
    wanted = pc.unique(titles)
    found: dict[str, list[str]] = {}
    for path in paths:
        for batch in storage.read_batches(path, columns=["title", "redirects"]):
            rows = batch.filter(is_wanted(batch, wanted))
            found |= zip(rows["title"].to_pylist(), rows["redirects"].to_pylist(), strict=True)
    return found


def _titled(rows: pa.RecordBatch, wanted: pa.Array) -> pa.Array:
    return pc.is_in(rows["title"], value_set=wanted)


def _led_to(rows: pa.RecordBatch, wanted: pa.Array) -> pa.Array:
    """For each row, whether one of its redirects is among these titles."""
    redirects = rows["redirects"]
    among = pc.is_in(pc.list_flatten(redirects), value_set=wanted)
    leads = np.zeros(len(rows), dtype=bool)
    leads[pc.list_parent_indices(redirects).filter(among).to_numpy()] = True
    return pa.array(leads)


def with_redirects(paths: Sequence[str], pages: pa.Table) -> pa.Table:
    """A part of pages with its column of redirects filled in."""
    index = pages.schema.get_field_index("redirects")
    found = aliases_of(paths, pages["title"])
    column = [found.get(title, []) for title in pages["title"].to_pylist()]
    return pages.set_column(index, pages.schema.field(index), pa.array(column, pages.schema.field(index).type))

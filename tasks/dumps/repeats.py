"""Pages that a dump has more than once: the newest revision is kept, and of equal revisions the first.

Page ids rise through a dump. A part whose ids rise and do not overlap those of other parts has no repeated page, so a
dump without repeats costs nothing here. Other parts are read again: first their ids, then the pages whose id repeats.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasks.dumps.dumps import DumpRange
from tasks.dumps.xml import Broken, page_id_of, read_page_ids, read_raw_pages, read_site


class Kept(NamedTuple):
    """The occurrence of a page that is kept: the key of its part, and its revision."""

    part: str
    revision_id: int


Repeats = Mapping[int, Kept]
"""The occurrence that is kept, by page id, of pages that a dump has more than once."""


def suspected(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The keys of parts that may have a page twice or share a page with another part, by `PageNumbers.counts`."""
    parts = [(count["lowest"], count["highest"], key) for key, count in counts.items() if count["pages"]]
    suspects = {key for _, _, key in parts if counts[key]["not_rising"]}
    highest, holder = -1, ""
    for first, last, key in sorted(parts):
        if first <= highest:
            suspects |= {key, holder}
        if last > highest:
            highest, holder = last, key
    return sorted(suspects)


def find_repeats(ranges: Mapping[str, DumpRange]) -> Repeats:
    """The repeated pages of these parts of a dump; ``ranges`` are by the key of the part."""
    ids = [np.fromiter(read_page_ids(dump_range), np.int64) for dump_range in ranges.values()]
    distinct, counts = np.unique(np.concatenate(ids) if ids else np.empty(0, np.int64), return_counts=True)
    repeated = frozenset(distinct[counts > 1].tolist())
    newest: dict[int, tuple[str, int]] = {}
    kept: dict[int, Kept] = {}
    for key in sorted(ranges) if repeated else ():
        site = read_site(ranges[key])
        for raw in read_raw_pages(ranges[key], site, wanted=lambda element: page_id_of(element) in repeated):
            if isinstance(raw, Broken):
                continue
            age = (raw.timestamp, raw.revision_id)
            if raw.page_id not in kept or age > newest[raw.page_id]:
                newest[raw.page_id], kept[raw.page_id] = age, Kept(key, raw.revision_id)
    return kept

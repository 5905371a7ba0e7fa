"""Pages that a dump has more than once: only the newest revision counts, and of the same one the first.

Numbers of pages rise through a dump, so that parts whose numbers rise, and do not overlap those of others, need no
second look: that costs nothing where nothing is repeated. The others are read again, their numbers first, then the
pages that have one in common.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasks.dumps.dumps import DumpRange
from tasks.dumps.xml import Broken, page_id_of, read_page_ids, read_raw_pages, read_site


class Kept(NamedTuple):
    """The one that counts of the pages of a number: its part, by key, and its revision."""

    part: str
    revision_id: int


Repeats = Mapping[int, Kept]
"""By number, of pages that a dump has more than once."""


def suspected(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The keys of parts that may have a page twice, or have one that another part has, by `PageNumbers.counts`."""
    parts = [(found["lowest"], found["highest"], key) for key, found in counts.items() if found["pages"]]
    suspects = {key for _, _, key in parts if counts[key]["not_rising"]}
    highest, holder = -1, ""
    for first, last, key in sorted(parts):
        if first <= highest:
            suspects |= {key, holder}
        if last > highest:
            highest, holder = last, key
    return sorted(suspects)


def find_repeats(ranges: Mapping[str, DumpRange]) -> Repeats:
    """Of the pages of these parts of a dump, by key."""
    ids = [np.fromiter(read_page_ids(found), np.int64) for found in ranges.values()]
    numbers, counts = np.unique(np.concatenate(ids) if ids else np.empty(0, np.int64), return_counts=True)
    repeated = frozenset(numbers[counts > 1].tolist())
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

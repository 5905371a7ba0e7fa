"""Twins: passages with the same text. All of them are held back together; otherwise one would give the answer away.

    OUT/twins.json    groups of passage ids whose texts are equal except for white space; no file if there are none;
                      empty texts have no twins

Twins are separate hits, because an id stands for one passage of one page: searches are measured and evidence is named
by ids.
"""

import array
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
import xxhash

from retrieval_index.hits import is_held_back
from schemas.errors import BadInput

FILE = "twins.json"


class TwinFinder:
    """Finds the twins in a stream of passages; holds 8 bytes of each passage in memory, and the ids on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = folder / "ids.jsonl"
        self._hashes = array.array("Q")

    def watched(self, passages: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
        """The same passages, recorded on their way."""
        with self._ids.open("w", encoding="utf-8") as ids:
            for passage in passages:
                passage_id, _, text = passage
                ids.write(json.dumps(passage_id) + "\n")
                self._hashes.append(_hash_of(text))
                yield passage

    def finish(self) -> None:
        """Write the groups, if there are any, once all passages have passed through `watched`."""
        hashes = np.frombuffer(self._hashes, dtype=np.uint64)
        values, counts = np.unique(hashes[hashes != _EMPTY], return_counts=True)
        is_twin = np.isin(hashes, values[counts > 1])
        groups: defaultdict[int, list[str]] = defaultdict(list)
        with self._ids.open(encoding="utf-8", newline="\n") as ids:
            for line, group, is_one in zip(ids, self._hashes, is_twin, strict=True):
                if is_one:
                    groups[group].append(json.loads(line))
        if groups:
            (self._folder / FILE).write_text(json.dumps(list(groups.values())), encoding="utf-8")
        self._ids.unlink()


_EMPTY = 0


def _hash_of(text: str) -> int:
    bare = " ".join(text.split())
    return xxhash.xxh3_64_intdigest(bare.encode("utf-8", "surrogatepass")) or 1 if bare else _EMPTY


class Twins:
    """The twins of one index; an index of an earlier version has none."""

    def __init__(self, folder: str | Path) -> None:
        """Raises BadInput if the file is damaged."""
        path = Path(folder) / FILE
        try:
            groups: list[list[str]] = json.loads(path.read_bytes()) if path.exists() else []
        except ValueError:
            raise BadInput(f"{path}: damaged: build the index again") from None
        self._group = {passage_id: number for number, ids in enumerate(groups) for passage_id in ids}
        self._held: defaultdict[str, set[int]] = defaultdict(set)
        """Groups by what may be held back: a passage id, or a page id, which is its beginning up to a dash."""
        for passage_id, number in self._group.items():
            for name in accumulate(passage_id.split("-"), "{}-{}".format):
                self._held[name].add(number)

    def are_held_back(self, passage_id: str, hold_back: str | None) -> bool:
        """Whether a passage, or a passage with the same text, is held back."""
        if hold_back is None:
            return False
        return is_held_back(passage_id, hold_back) or self._group.get(passage_id, -1) in self._held.get(hold_back, ())

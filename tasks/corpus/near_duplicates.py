"""Near-duplicate passages, found by MinHash; one passage of each group is kept.

A map computes a signature for every passage, and hashes of the signature's bands. The agreement of two signatures
estimates the Jaccard similarity of the passages' shingles. Passages that agree in a band are compared. The reduction
goes through the passages in the order of the dump and drops a passage if its similarity to a kept passage reaches the
threshold. A dropped passage is therefore similar to the passage kept for it, and not only to one between the two.

The reduction holds about 40 bytes per passage for one band at a time, and the signatures only of passages that agree in
a band with another passage.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xxhash
from datasketch import MinHash, MinHashLSH

from schemas.corpus_settings import NearDuplicateSettings
from schemas.records import Duplicate, Passage, Signature
from tasks.ledger import storage

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Letters of scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_MORE_CANDIDATES = (0.3, 0.7)
"""Weights of false positives, which cost a comparison, and of false negatives, which are lost: they set the bands."""


def shingles(text: str, settings: NearDuplicateSettings) -> set[bytes]:
    """Runs of words in lower case; runs of characters if most of the text is in a script without spaces."""
    words = _WORD.findall(text.lower())
    letters = "".join(words)
    if 2 * len(_UNSPACED.findall(letters)) > len(letters):
        size, pieces, glue = settings.characters, list(letters), ""
    else:
        size, pieces, glue = settings.words, words, " "
    return {glue.join(pieces[at : at + size]).encode() for at in range(max(1, len(pieces) - size + 1))} - {b""}


def signatures_of(passages: Iterable[Passage], settings: NearDuplicateSettings) -> Iterator[Signature]:
    """The signature of every passage that has words."""
    bands, rows = _bands(settings)
    empty = MinHash(
        num_perm=settings.permutations, seed=settings.seed, hashfunc=xxhash.xxh32_intdigest, scheme="affine32"
    )
    for passage in passages:
        found = shingles(passage.text, settings)
        if not found:
            continue
        minhash = empty.copy()
        minhash.update_batch(found)
        values = minhash.hashvalues
        yield Signature(
            snapshot=passage.snapshot,
            passage_id=passage.passage_id,
            bands=[_hash(values[band * rows : (band + 1) * rows]) for band in range(bands)],
            values=values.tolist(),
        )


def _bands(settings: NearDuplicateSettings) -> tuple[int, int]:
    """The number of bands, and the number of values in each."""
    index = MinHashLSH(threshold=settings.threshold, num_perm=settings.permutations, weights=_MORE_CANDIDATES)
    return index.b, index.r


def _hash(values: np.ndarray) -> int:
    """A hash of 63 bits, which fit a column of signed integers."""
    return xxhash.xxh3_64_intdigest(values.astype("<u4").tobytes()) >> 1


# -- the reduction --------------------------------------------------------------------------------------------------


def duplicates_of(paths: Sequence[str], settings: NearDuplicateSettings, snapshot: str) -> Iterator[Duplicate]:
    """The dropped passages, each with the passage that is kept for it; ``paths`` are the parts of signatures."""
    pairs = _candidates(paths, _bands(settings)[0])
    known = _Signatures.read(paths, np.unique(pairs))
    kept_for: dict[int, int] = {}
    for earlier, later in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if later in kept_for:
            continue
        kept = kept_for.get(earlier, earlier)
        similarity = known.similarity(kept, later)
        if similarity >= settings.threshold:
            kept_for[later] = kept
            yield Duplicate(
                snapshot=snapshot, passage_id=known.ids[later], kept=known.ids[kept], similarity=round(similarity, 4)
            )


def _candidates(paths: Sequence[str], bands: int) -> np.ndarray:
    """Pairs of rows, int64 [n, 2], that agree in a band: each row with the row before it and with the first row."""
    pairs = [np.empty((0, 2), np.int64)]
    for band in range(bands):
        hashes = np.concatenate([np.empty(0, np.int64), *(_column(path, band, bands) for path in paths)])
        order = np.argsort(hashes, kind="stable")
        is_same = hashes[order][1:] == hashes[order][:-1]
        begins = np.flatnonzero(np.concatenate([[True], ~is_same])) if len(order) else np.empty(0, np.int64)
        firsts = np.repeat(order[begins], np.diff(np.append(begins, len(order))))
        later = order[1:][is_same]
        pairs += [np.stack([order[:-1][is_same], later], axis=1), np.stack([firsts[1:][is_same], later], axis=1)]
    return np.unique(np.concatenate(pairs), axis=0)


def _column(path: str, band: int, bands: int) -> np.ndarray:
    flat: np.ndarray = storage.read_table(path, columns=["bands"])["bands"].combine_chunks().flatten().to_numpy()
    return flat.reshape(-1, bands)[:, band]


class _Signatures(NamedTuple):
    """Passage ids and signature values (uint32) of some rows, by row number."""

    ids: dict[int, str]
    values: dict[int, np.ndarray]

    @classmethod
    def read(cls, paths: Sequence[str], rows: np.ndarray) -> "_Signatures":
        found = cls({}, {})
        offset = 0
        for path in paths:
            table = storage.read_table(path, columns=["passage_id", "values"])
            own = rows[(rows >= offset) & (rows < offset + len(table))]
            taken = table.take(own - offset)
            values = taken["values"].combine_chunks().flatten().to_numpy().astype(np.uint32)
            found.ids.update(zip(own.tolist(), taken["passage_id"].to_pylist(), strict=True))
            found.values.update(zip(own.tolist(), values.reshape(len(own), -1), strict=True) if len(own) else ())
            offset += len(table)
        return found

    def similarity(self, one: int, other: int) -> float:
        """The share of values that agree, which estimates the Jaccard similarity."""
        return float((self.values[one] == self.values[other]).mean())

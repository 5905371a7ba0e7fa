"""Dense search with faiss: passages and queries are unit vectors, and the score is their inner product.

Below `EXACT_BELOW` passages a query is compared with every vector. Larger indexes keep one byte for each dimension, in
about √N cells of which a query looks at one sixteenth (IVF, SQ8). That takes a quarter of the memory and is several
times faster, but misses a few hits.
"""

import importlib.metadata
import math
from pathlib import Path
from typing import Any

import numpy as np

from retrieval_index.deepening import Look, search_without_held_back
from retrieval_index.encoder import Encoder, digest_of
from retrieval_index.folder import IndexInfo
from retrieval_index.hits import Hit, Query
from retrieval_index.passages import PassageStream, batches
from retrieval_index.store import PassageStore, StoreWriter
from retrieval_index.twins import Twins
from schemas.corpus_settings import EncoderSettings, IndexSettings
from schemas.errors import BadInput

FOLDER = "dense"
EXACT_BELOW = 50_000

_ENCODED_AT_ONCE = 4096
_TRAINED_PER_CELL = 64


def _encoder_of(settings: IndexSettings) -> EncoderSettings:
    assert settings.encoder is not None, "IndexSettings requires an encoder for this kind"
    return settings.encoder


def versions(settings: IndexSettings) -> dict[str, str]:
    """The versions that the seal of an index records: packages, and the digest of the encoder."""
    packages = {name: importlib.metadata.version(name) for name in ("faiss-cpu", "transformers", "torch")}
    return {**packages, "encoder": digest_of(_encoder_of(settings))}


def write(folder: Path, stream: PassageStream, settings: IndexSettings, threads: int) -> None:
    """Write the dense folder of an index: the passages of the stream and their vectors."""
    import faiss

    digest_of(_encoder_of(settings))
    encoder = Encoder(_encoder_of(settings))
    (folder / FOLDER).mkdir()
    writer = StoreWriter(folder / FOLDER)
    flat = folder / "vectors.f32"
    with flat.open("wb") as vectors:
        for batch in batches(stream, _ENCODED_AT_ONCE):
            writer.add(batch)
            vectors.write(encoder.passages([f"{passage.title}\n{passage.text}" for passage in batch]).tobytes())
    writer.close()
    if not stream.documents:
        raise BadInput("no passages to index: give at least one")
    PassageStore(folder / FOLDER).check_ids()
    faiss.omp_set_num_threads(threads)
    vectors_ND = np.memmap(flat, np.float32, "r", shape=(stream.documents, encoder.dimensions))
    faiss.write_index(_indexed(vectors_ND), str(folder / FOLDER / "vectors.faiss"))
    flat.unlink()


def _indexed(vectors_ND: np.ndarray) -> Any:
    import faiss

    count, dimensions = vectors_ND.shape
    index: Any
    if count < EXACT_BELOW:
        index = faiss.IndexFlatIP(dimensions)
    else:
        cells = round(math.sqrt(count))
        index = faiss.index_factory(dimensions, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.nprobe = max(1, cells // 16)
        rows = np.random.default_rng(0).choice(count, min(count, cells * _TRAINED_PER_CELL), replace=False)
        index.train(vectors_ND[np.sort(rows)])
    for start in range(0, count, _ENCODED_AT_ONCE):
        index.add(np.ascontiguousarray(vectors_ND[start : start + _ENCODED_AT_ONCE]))
    return index


class DenseSearcher:
    """A `hits.Searcher` over one index, for any number of threads."""

    def __init__(self, folder: str, info: IndexInfo, threads: int) -> None:
        """Raises BadInput if files are damaged, or the encoder is not the one that built the index."""
        import faiss

        encoder = _encoder_of(info.settings)
        if digest_of(encoder) != info.versions["encoder"]:
            raise BadInput(
                f"{encoder.path}: not the encoder that built {folder}: restore that encoder, or build the index again"
            )
        try:
            self._index = faiss.read_index(str(Path(folder) / FOLDER / "vectors.faiss"), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            raise BadInput(
                f"{folder}: damaged, faiss says {' '.join(str(error).split())[-120:]}: build the index again"
            ) from None
        self._store = PassageStore(Path(folder) / FOLDER)
        if not self._index.ntotal == len(self._store) == info.documents:
            held = f"{self._index.ntotal} vectors and {len(self._store)} of {info.documents} passages"
            raise BadInput(f"{folder}: damaged, it holds {held}: build the index again")
        self._encoder = Encoder(encoder)
        self._twins = Twins(folder)
        self._threads = threads

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `hits.Searcher`. A query without a token has no hits."""
        texts = list(dict.fromkeys(query.text for query in queries if query.text.strip()))
        encoded = zip(texts, self._encoder.queries(texts), strict=True)
        vectors = {text: vector for text, vector in encoded if vector.any()}

        def look(asked: list[Query], k: int, depth: int) -> list[Look]:
            return self._look({query: vectors[query.text] for query in asked if query.text in vectors}, asked, k, depth)

        return search_without_held_back(queries, k, len(self._store), look)

    def _look(self, vectors: dict[Query, np.ndarray], queries: list[Query], k: int, depth: int) -> list[Look]:
        import faiss

        if not vectors:
            return [Look([], deeper=False) for _ in queries]
        faiss.omp_set_num_threads(self._threads)
        scores_QN, rows_QN = self._index.search(np.stack(list(vectors.values())), depth)
        found = zip(vectors, scores_QN.tolist(), rows_QN.tolist(), strict=True)
        looks = {query: self._kept(scores, rows, query, k) for query, scores, rows in found}
        return [looks.get(query, Look([], deeper=False)) for query in queries]

    def _kept(self, scores: list[float], rows: list[int], query: Query, k: int) -> Look:
        found = [
            (-score, self._store.passage_id(row), row) for score, row in zip(scores, rows, strict=True) if row >= 0
        ]
        shown = [each for each in sorted(found) if not self._twins.are_held_back(each[1], query.hold_back)][:k]
        hits = [Hit(passage_id, -negative, *self._store[row][1:]) for negative, passage_id, row in shown]
        return Look(hits, deeper=len(found) == len(rows))

    def close(self) -> None:
        """Do nothing: the searcher holds only memory."""


def open_searcher(folder: str, info: IndexInfo, threads: int) -> DenseSearcher:
    """See `opening.open_index`, which has read and checked the seal."""
    return DenseSearcher(folder, info, threads)

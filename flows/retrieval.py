"""`masksearch index`, `search` and `serve`: the retrieval library from the command line."""

import json
from pathlib import Path

from rich.console import Console

from retrieval_index.hits import Query
from retrieval_index.opening import open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput


def build(passages: str, out: str, kind: str, language: str, encoder: str | None, console: Console) -> None:
    """Index Parquet or JSON lines with passage_id, title and text."""
    from pydantic import ValidationError

    from tasks.indexing import build_from_parquet

    try:
        chosen = {"kind": kind, "language": language, "encoder": {"path": encoder} if encoder else None}
        settings = IndexSettings.model_validate(chosen)
    except ValidationError as error:
        raise BadInput(f"--kind {kind}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    built = build_from_parquet([passages], out, settings)
    console.print(f"{built.documents:,} passages, {built.bytes / 1e6:.1f} MB: {out}", highlight=False)


def search(index: str, query: str | None, k: int, queries: Path | None, as_json: bool, console: Console) -> None:
    """One query from the command line, or many from a file of JSON lines."""
    if (query is None) == (queries is None):
        raise BadInput("give either a query or --queries FILE.jsonl")
    if queries is not None:
        from tasks.indexing import search_many

        for row in search_many(index, str(queries), k):
            print(json.dumps(row))
        return
    assert query is not None
    (hits,) = open_index(index).search([Query(query)], k)
    if as_json:
        found = [{"passage_id": hit.passage_id, "score": hit.score} for hit in hits]
        print(json.dumps({"query_id": query, "hits": found}))
        return
    for rank, hit in enumerate(hits, 1):
        console.print(f"[bold]{rank}. {hit.title}[/]  {hit.passage_id}  {hit.score:.2f}", highlight=False)
        console.print(f"   {hit.text}", highlight=False, markup=False)
    if not hits:
        console.print("nothing found")


def serve(index: str, host: str, port: int) -> None:
    """Answer searches over HTTP until stopped."""
    import uvicorn

    from retrieval_index.folder import read_info
    from retrieval_index.service import create_app

    app = create_app(open_index(index, verify=True), read_info(index).digest)
    uvicorn.run(app, host=host, port=port, log_level="warning")

"""`masksearch index`, `search` and `serve`: the retrieval library on the command line."""

import json
import socket
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console

from retrieval_index.encoder import positions_of
from retrieval_index.folder import SEAL
from retrieval_index.hits import Query
from retrieval_index.opening import open_index
from schemas.corpus_settings import EncoderSettings, IndexSettings
from schemas.counts import counted
from schemas.errors import BadInput
from schemas.paths import local_path


def build(passages: str, out: str, kind: str, language: str, encoder: str | None, console: Console) -> None:
    """Build an index from Parquet or JSON lines with passage_id, title and text."""
    from pydantic import ValidationError

    from tasks.indexing.building import build_from_parquet

    try:
        chosen = {"kind": kind, "language": language, "encoder": _encoder(encoder) if encoder else None}
        settings = IndexSettings.model_validate(chosen)
    except ValidationError as error:
        raise BadInput(f"--kind {kind}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    built = build_from_parquet([passages], out, settings)
    console.print(f"{counted(built.documents, 'passage')}, {built.bytes / 1e6:.1f} MB: {out}", highlight=False)


def _encoder(folder: str) -> dict[str, Any]:
    """The settings of an encoder: the default length of texts, or the encoder's own limit if that is lower."""
    most = EncoderSettings.model_fields["max_tokens"].default
    return {"path": folder, "max_tokens": min(most, positions_of(folder) or most)}


def search(index: str, query: str | None, k: int, queries: Path | None, as_json: bool, console: Console) -> None:
    """One query from the command line, or many from a file of JSON lines."""
    if (query is None) == (queries is None):
        raise BadInput("give either a query or --queries FILE.jsonl")
    index = index_in(index)
    if queries is not None:
        _search_many(index, queries, k)
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


def _search_many(index: str, queries: Path, k: int) -> None:
    from tasks.indexing.building import search_many

    found = search_many(index, str(queries), k)
    if (first := next(found, None)) is None:
        raise BadInput(f"{queries}: no queries in it: write one JSON line with query_id and query for each query")
    for row in chain([first], found):
        print(json.dumps(row))


def index_in(folder: str) -> str:
    """The folder of the index, given that folder or the folder of its stage (…/index/v1)."""
    folder = local_path(folder)
    own, inner = Path(folder) / SEAL, Path(folder) / "index"
    return str(inner) if not own.exists() and (inner / SEAL).exists() else folder


def serve(index: str, host: str, port: int, console: Console) -> None:
    """Answer searches over HTTP until stopped, and print the address once it listens. Port 0 is any free port.

    Raises:
        BadInput: there is no such index, or the address cannot be listened on.
    """
    import uvicorn

    from retrieval_index.folder import read_info
    from retrieval_index.service import create_app

    index = index_in(index)
    info = read_info(index)
    with listening(host, port) as listener:
        app = create_app(open_index(index, verify=True), info.digest)
        address = f"[{host}]" if ":" in host else host
        console.print(
            f"{counted(info.documents, 'passage')} at http://{address}:{listener.getsockname()[1]}", highlight=False
        )
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; raises BadInput if that is impossible."""
    if not 0 <= port <= 65_535:
        raise BadInput(f"--port {port}: give a port from 1 to 65535, or 0 for any free port")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BadInput(
            f"--host {host} --port {port}: cannot listen there: {error.strerror}: give another host or port"
        ) from None

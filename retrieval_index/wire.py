"""What the search service and its clients say to each other, as JSON."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from retrieval_index.hits import MAX_QUERY_CHARACTERS, Hit, Query

MAX_QUERIES = 4096
MAX_HITS = 1000


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WireQuery(_Message):
    text: Annotated[str, Field(max_length=MAX_QUERY_CHARACTERS)]
    hold_back: str | None = None


class SearchRequest(_Message):
    queries: Annotated[list[WireQuery], Field(min_length=1, max_length=MAX_QUERIES)]
    k: Annotated[int, Field(ge=1, le=MAX_HITS)]

    @classmethod
    def of(cls, queries: list[Query], k: int) -> "SearchRequest":
        """Raises ValueError for what a service would refuse. Lone surrogates, which JSON cannot carry, become ``?``."""
        texts = [query.text.encode("utf-8", "replace").decode() for query in queries]
        wired = zip(texts, queries, strict=True)
        return cls(queries=[WireQuery(text=text, hold_back=query.hold_back) for text, query in wired], k=k)

    def plain(self) -> list[Query]:
        return [Query(query.text, query.hold_back) for query in self.queries]


class WireHit(_Message):
    passage_id: str
    score: float
    title: str
    text: str


class SearchReply(_Message):
    """``hits[i]`` are those of ``queries[i]``, best first."""

    hits: list[list[WireHit]]

    @classmethod
    def of(cls, found: list[list[Hit]]) -> "SearchReply":
        return cls(
            hits=[
                [WireHit(passage_id=h.passage_id, score=h.score, title=h.title, text=h.text) for h in hits]
                for hits in found
            ]
        )

    def plain(self) -> list[list[Hit]]:
        return [[Hit(hit.passage_id, hit.score, hit.title, hit.text) for hit in hits] for hits in self.hits]


class ErrorReply(_Message):
    """``bad_request``: asking again is of no use. ``busy`` and ``search_failed``: it may be."""

    error: Literal["bad_request", "busy", "search_failed"]
    message: str


class Health(_Message):
    status: Literal["ok"] = "ok"
    index: str
    """The digest of the passages that are searched (`folder.IndexInfo.digest`)."""
    running: int
    waiting: int

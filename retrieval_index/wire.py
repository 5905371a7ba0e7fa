"""The messages between the search service and its clients, as JSON."""

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
        """The request for these queries. Lone surrogates, which JSON cannot represent, become ``?``.

        Raises:
            ValueError: the service would refuse the request.
        """
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
    """``hits[i]`` are the hits of ``queries[i]``, best first."""

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
    """A failure. Sending the request again is useless after ``bad_request``, but may help after the other errors."""

    error: Literal["bad_request", "busy", "search_failed"]
    message: str


class Health(_Message):
    """The state of a service."""

    status: Literal["ok"] = "ok"
    index: str
    """The digest of the index's passages (`folder.IndexInfo.digest`)."""
    running: int
    """Requests that are being searched."""
    waiting: int
    """Requests that wait."""

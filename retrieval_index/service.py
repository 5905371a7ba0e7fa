"""One index over HTTP: POST /search and GET /health, with the messages of `wire`."""

from typing import Literal

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from retrieval_index.hits import Searcher, SearchFailed
from retrieval_index.wire import ErrorReply, Health, SearchReply, SearchRequest
from schemas.errors import BadInput

RETRY_AFTER_SECONDS = 1


def _json(reply: SearchReply | ErrorReply, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(reply.model_dump_json(), status, headers, media_type="application/json")


def _failure(error: Literal["bad_request", "busy", "search_failed"], message: str) -> Response:
    reply = ErrorReply(error=error, message=message)
    if error == "bad_request":
        return _json(reply, 400)
    return _json(reply, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _refuse_malformed(_: Request, invalid: Exception) -> Response:
    assert isinstance(invalid, RequestValidationError)
    first = invalid.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return _failure("bad_request", f"{where}: {first['msg']}")


class _Counter:
    """Requests accepted and not yet answered. The limiter's own count lags: it counts a request only once it waits."""

    taken = 0


def create_app(searcher: Searcher, index: str, *, workers: int = 2, max_waiting: int = 64) -> FastAPI:
    """The service over a searcher, which the caller closes.

    Args:
        index: the digest of the passages, by which a client checks that this is the index it expects.
        workers: requests that search at one time.
        max_waiting: requests that may wait; a further request is refused at once as ``busy``.
    """
    app = FastAPI(title="MaskSearch index")
    limiter = anyio.CapacityLimiter(workers)
    counter = _Counter()
    app.add_exception_handler(RequestValidationError, _refuse_malformed)

    @app.post("/search", response_model=SearchReply, responses={400: {"model": ErrorReply}, 503: {"model": ErrorReply}})
    async def search(request: SearchRequest) -> Response:
        if counter.taken >= workers + max_waiting:
            return _failure("busy", f"{max_waiting} requests are waiting already: try again later")
        counter.taken += 1
        try:
            found = await anyio.to_thread.run_sync(searcher.search, request.plain(), request.k, limiter=limiter)
        except SearchFailed as error:
            return _failure("search_failed", str(error))
        except BadInput as error:
            return _failure("bad_request", str(error))
        finally:
            counter.taken -= 1
        return _json(SearchReply.of(found))

    @app.get("/health")
    async def health() -> Health:
        return Health(index=index, running=min(counter.taken, workers), waiting=max(0, counter.taken - workers))

    return app

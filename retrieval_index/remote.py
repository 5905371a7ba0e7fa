"""Search through a service (`service`), one batch in each request."""

import httpx
import tenacity
from pydantic import ValidationError

from retrieval_index.hits import Hit, Query, SearchFailed
from retrieval_index.wire import MAX_QUERIES, ErrorReply, Health, SearchReply, SearchRequest
from schemas.errors import BadInput


class _Transient(Exception):
    """A failure that may not recur when the request is sent again."""


class HttpSearcher:
    """A `hits.Searcher` over a search service, for any number of threads.

    It sends a request again, up to ``attempts`` times in all and after random, growing pauses, if the connection
    fails, the status is 5xx or 429, or the reply is not a search service's (a proxy's error page).
    """

    def __init__(self, url: str, timeout: float = 30.0, attempts: int = 6, longest_pause: float = 10.0) -> None:
        """Raises BadInput if ``url`` is not an http address."""
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise BadInput(f"{url}: not the address of a search service: give http://host:port")
        self._http = httpx.Client(timeout=timeout)
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=longest_pause),
            retry=tenacity.retry_if_exception_type(_Transient),
            reraise=True,
        )

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        """See `hits.Searcher`.

        Raises:
            SearchFailed: no attempt got an answer.
            BadInput: the service refuses the request (4xx).
        """
        found: list[list[Hit]] = []
        for start in range(0, len(queries), MAX_QUERIES):
            found += self._asked(queries[start : start + MAX_QUERIES], k)
        return found

    def index(self) -> str:
        """The digest of the passages that the service searches.

        Raises:
            BadInput: the address cannot be reached, or is not a search service's.
        """
        try:
            response = self._http.get(f"{self.url}/health")
            return Health.model_validate_json(response.content).index
        except (httpx.InvalidURL, httpx.RequestError) as error:
            raise BadInput(
                f"{self.url}: no search service answers ({error}): start masksearch serve, or correct the address"
            ) from None
        except ValidationError:
            raise BadInput(
                f"{self.url}: the server there is not a search service: give the address of masksearch serve"
            ) from None

    def close(self) -> None:
        self._http.close()

    def _asked(self, queries: list[Query], k: int) -> list[list[Hit]]:
        try:
            body = SearchRequest.of(queries, k).model_dump_json().encode()
        except ValidationError as error:
            raise BadInput(f"{self.url}: the service would refuse this query: {error.errors()[0]['msg']}") from None
        try:
            reply = self._retrying(self._post, body, len(queries))
        except _Transient as error:
            raise SearchFailed(f"{self.url}: {error}") from None
        return reply.plain()

    def _post(self, body: bytes, n_queries: int) -> SearchReply:
        headers = {"Content-Type": "application/json"}
        try:
            response = self._http.post(f"{self.url}/search", content=body, headers=headers)
        except httpx.InvalidURL as error:
            raise BadInput(f"{self.url}: {error}: give http://host:port") from None
        except httpx.RequestError as error:
            raise _Transient(str(error) or type(error).__name__) from None
        if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise _Transient(_reason(response))
        if not response.is_success:
            raise BadInput(f"{self.url}: {_reason(response)}")
        try:
            reply = SearchReply.model_validate_json(response.content)
        except ValidationError:
            raise _Transient("the reply is not a search service's") from None
        if len(reply.hits) != n_queries:
            raise _Transient(f"the reply has hits for {len(reply.hits)} of {n_queries} queries")
        return reply


def _reason(response: httpx.Response) -> str:
    """The status and message of a failed request, in one line."""
    try:
        message = ErrorReply.model_validate_json(response.content).message
    except ValidationError:
        message = response.reason_phrase
    return f"HTTP {response.status_code}: {message}"

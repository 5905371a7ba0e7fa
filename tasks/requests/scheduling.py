"""Sends many requests to an engine or an endpoint, a bounded number at once, and saves every answer at once.

Requests are assigned to parts beforehand. One queue runs over all parts, so that the engine stays full where a part
ends. An answer goes to its part's journal (journal.py). When all requests of a part are answered, it is written as
Parquet and its journal is deleted. After a kill, answers in a part or in a journal are not requested again.

A failed request (engine or search) has no row: it is counted, the others continue, and the run ends with an error; the
next run sends it again. If too many requests have failed (`MAX_FAILED_SHARE`), no new ones are begun.

A request that was refused because of its content has a row, so that it is not sent in every run. Such rows are held
back until another request is answered: if all requests are refused in a row, their common part is the cause.

All state is used from one event loop, and changed between two ``await``, so that it needs no lock. Workers are
coroutines that share one iterator: taking the next request from it has no ``await``, so no request is taken twice.
"""

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from schemas.errors import BadInput, MaskSearchError, RunFailed
from schemas.manifest import digest_of
from schemas.records import Record, Reject
from tasks import jobs
from tasks.ledger.ledger import Parts
from tasks.requests.journal import Journal

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Record)
Result = TypeVar("Result")

MAX_FAILED, MAX_FAILED_SHARE = 20, 0.02
"""Failures that end a run: this number, or this share of the requests sent so far, whichever is greater."""
MAX_REFUSED, REFUSED_IN_FLIGHT = 20, 4
"""Refusals in a row that end a run: this number, or this number per request in flight, whichever is greater. A refusal
comes sooner than an answer, so of many requests begun together the refused ones end first."""


@dataclass(frozen=True, slots=True)
class Request(Generic[Item]):
    """``digest`` is unique among all requests that were ever journalled under the same stage and label."""

    item: Item
    digest: str


@dataclass(frozen=True, slots=True)
class Refused(Generic[Row]):
    """The row of a request that was refused because of its content, and the words of the refusal."""

    row: Row
    why: str


def request_of(item: Item, *identity: Any) -> Request[Item]:
    return Request(item, digest_of(list(identity)))


def seed_of(seed: int, *identity: str | int) -> int:
    """The sampler's seed for one request: 31 bits of the digest of ``seed`` and its identity."""
    return int(digest_of([seed, *identity])[:8], 16) >> 1


def laid_out(requests: Sequence[Request[Item]], part_rows: int, prefix: str = "") -> dict[str, list[Request[Item]]]:
    """Requests by part key, in order, ``part_rows`` to a part."""
    return {
        f"{prefix}{start:06d}": list(requests[start : start + part_rows])
        for start in range(0, len(requests), part_rows)
    }


class _OpenPart(Generic[Item, Row]):
    def __init__(self, key: str, requests: list[Request[Item]], journal: Journal[Row]) -> None:
        self.key, self.requests, self.journal = key, requests, journal
        self._missing = {request.digest for request in requests} - journal.rows.keys()

    def unanswered(self) -> list[Request[Item]]:
        return [request for request in self.requests if request.digest in self._missing]

    def take(self, request: Request[Item], row: Row) -> None:
        self.journal.append(request.digest, row)
        self._missing.discard(request.digest)

    @property
    def is_begun(self) -> bool:
        return len(self._missing) < len(self.requests)

    @property
    def is_whole(self) -> bool:
        return not self._missing

    def rows(self) -> list[Row]:
        return [self.journal.rows[request.digest] for request in self.requests]


class Schedule(Generic[Item, Row]):
    """The unanswered requests of one build of a stage, and the loop that sends them."""

    def __init__(
        self,
        parts: Parts,
        model: type[Row],
        requests: dict[str, list[Request[Item]]],
        in_flight: int,
    ) -> None:
        self._parts, self._in_flight = parts, in_flight
        self._journals = Path(parts.folder) / "journal"
        done = parts.done()
        self._open = {
            key: _OpenPart(key, wanted, Journal(self._journals / f"{key}.jsonl", model))
            for key, wanted in requests.items()
            if key not in done
        }
        self._is_answered = bool(done) or any(part.is_begun for part in self._open.values())
        self._asked = 0
        self._failed: list[Reject] = []
        self._held: list[tuple[_OpenPart[Item, Row], Request[Item], Refused[Row]]] = []
        self._gives_up = False
        self._committed = time.time()

    @property
    def missing(self) -> int:
        """The number of requests with neither a row nor a journal entry."""
        return sum(len(part.unanswered()) for part in self._open.values())

    async def run(self, ask: Callable[[Item], Awaitable[Row | Reject | Refused[Row]]]) -> None:
        """Send all unanswered requests and commit every part. ``ask`` returns a row, or a reject if it failed.

        Raises:
            RunFailed: requests failed; all answers are kept.
            BadInput: every request was refused, or so many in a row that the cause is common; refusals are not kept.
            MaskSearchError: ``ask`` raised it, which ends the run at once.
        """
        queue = iter([(part, request) for part in self._open.values() for request in part.unanswered()])
        self._committed = time.time()
        try:
            await self.commit_whole()  # a kill may have come between a part's last answer and its commit
            # A fixed number of workers bounds the requests in flight. A task per request with a semaphore would create
            # all tasks at once, for millions of requests. An error in one worker cancels the others.
            async with asyncio.TaskGroup() as group:
                for _ in range(self._in_flight):
                    group.create_task(self._work(queue, ask))
            await self._settle()
        except* MaskSearchError as errors:
            raise _first(errors) from None
        finally:  # also on a cancellation: closing syncs the answers to disk
            for part in self._open.values():
                part.journal.close()
        if self._failed:
            raise self._some_failed()
        shutil.rmtree(self._journals, ignore_errors=True)

    async def commit_whole(self) -> None:
        """Commit the parts whose requests are all answered."""
        for part in [part for part in self._open.values() if part.is_whole]:
            await self._commit(part)

    async def _work(
        self,
        queue: Iterator[tuple[_OpenPart[Item, Row], Request[Item]]],
        ask: Callable[[Item], Awaitable[Row | Reject | Refused[Row]]],
    ) -> None:
        for part, request in queue:
            answer = await ask(request.item)
            self._asked += 1
            if isinstance(answer, Reject):
                self._failed.append(answer)
                # Once set it stays set, even if later answers lower the share: workers that have left do not return.
                self._gives_up |= len(self._failed) >= max(MAX_FAILED, MAX_FAILED_SHARE * self._asked)
            elif isinstance(answer, Refused):
                self._hold(part, request, answer)
            else:
                self._is_answered = True
                await self._take(part, request, answer)
                await self._take_held()
            if self._gives_up:
                return

    def _hold(self, part: _OpenPart[Item, Row], request: Request[Item], refused: Refused[Row]) -> None:
        self._held.append((part, request, refused))
        if len(self._held) >= max(MAX_REFUSED, REFUSED_IN_FLIGHT * self._in_flight):
            raise self._all_refused()

    async def _settle(self) -> None:
        """Decide about the requests refused since the last answer, after all requests have been sent."""
        if self._is_answered:
            await self._take_held()
        elif self._held and not self._failed:
            raise self._all_refused()

    def _all_refused(self) -> BadInput:
        _, _, last = self._held[-1]
        return BadInput(
            f"{last.why}: {len(self._held)} requests in a row were refused, so the cause is common to all; "
            "earlier answers are kept; correct it and run again"
        )

    def _some_failed(self) -> RunFailed:
        first = self._failed[0]
        early = "; these are too many, so the others were not sent" if self._gives_up else ""
        return RunFailed(
            f"{len(self._failed)} of {self._asked} requests failed (first: {first.row_id}, {first.reason}: "
            f"{first.detail}){early}; the answers are kept; run again to send the others again"
        )

    async def _take_held(self) -> None:
        # Emptied before the first `await`: another worker that gets here meanwhile must not take the same rows.
        held, self._held = self._held, []
        for part, request, refused in held:
            await self._take(part, request, refused.row)

    async def _take(self, part: _OpenPart[Item, Row], request: Request[Item], row: Row) -> None:
        part.take(request, row)
        if part.is_whole:
            await self._commit(part)

    async def _commit(self, part: _OpenPart[Item, Row]) -> None:
        del self._open[part.key]  # before the first `await`, so that the part is committed once
        # Parts overlap in time. Each gets the time since the commit before it, so that they add up to the run's time.
        started, self._committed = self._committed, time.time()
        inputs = {"requests": digest_of([request.digest for request in part.requests])}
        # In a thread: compression takes seconds, in which the event loop must keep the engine supplied.
        await asyncio.to_thread(self._parts.commit, part.key, part.rows(), [], inputs, started)
        part.journal.remove()  # only after the commit: until then it is the only copy of the answers


def _first(errors: BaseExceptionGroup[MaskSearchError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Meter:
    """Reports answered requests and tokens per second to the job's progress file, at most once a second."""

    def __init__(self, output: str, total: int, missing: int, unit: str) -> None:
        self._output, self._total, self._unit = output, total, unit
        self._done = total - missing
        self._began = self._reported = time.monotonic()
        self.tokens = 0

    def add(self, tokens: int) -> None:
        """Count one more answered request, for which ``tokens`` tokens were sampled."""
        self._done += 1
        self.tokens += tokens
        now = time.monotonic()
        if now - self._reported >= 1 or self._done == self._total:
            note = f"{self.tokens_per_second():,.0f} tokens/s" if self.tokens else ""
            jobs.report_progress(self._output, self._done, self._total, self._unit, note)
            self._reported = now

    def tokens_per_second(self) -> float:
        """Sampled tokens divided by the seconds since the meter was created."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)


def run_job(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a job's work on an event loop. SIGTERM cancels it: it saves its state, and the process exits with 143.

    A handler of the loop's cancels at the next ``await``, so that no write of a file is interrupted halfway.
    """

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        sys.exit(jobs.TERMINATED)

"""Asking many requests of an engine or an endpoint, a bounded number at a time, committed request by request.

Requests are laid out in parts beforehand. One queue runs over all parts, so that the engine stays full across their
borders; a finished request goes to its part's journal (journal.py), and a part whose requests are all in is written as
Parquet and its journal dropped. After a kill, what is in a part or in a journal is not asked again.

A request that failed (its engine or its search) is no row: it is counted, the others go on, and the run ends with an
error; the next run asks it again. After `MAX_FAILED` of them nothing new is begun.
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

from schemas.errors import MaskSearchError, RunFailed
from schemas.manifest import digest_of
from schemas.records import Record, Reject
from tasks import jobs
from tasks.ledger import Parts
from tasks.rollouts.journal import Journal

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Record)
Result = TypeVar("Result")

MAX_FAILED = 20


@dataclass(frozen=True, slots=True)
class Request(Generic[Item]):
    """``digest`` tells it from every other request that was ever journalled under the same stage and label."""

    item: Item
    digest: str


def request_of(item: Item, *identity: Any) -> Request[Item]:
    return Request(item, digest_of(list(identity)))


def seed_of(seed: int, *identity: str | int) -> int:
    """The sampler's seed of one request: 31 bits of (seed, what it is)."""
    return int(digest_of([seed, *identity])[:8], 16) >> 1


def laid_out(requests: Sequence[Request[Item]], part_rows: int, prefix: str = "") -> dict[str, list[Request[Item]]]:
    """Requests by part key, in order."""
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
    def is_whole(self) -> bool:
        return not self._missing

    def rows(self) -> list[Row]:
        return [self.journal.rows[request.digest] for request in self.requests]


class Schedule(Generic[Item, Row]):
    """What is missing of one making of a stage, and the way to ask for it."""

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
        self._failed: list[Reject] = []
        self._committed = time.time()

    @property
    def missing(self) -> int:
        """How many requests have neither row nor journal entry."""
        return sum(len(part.unanswered()) for part in self._open.values())

    async def run(self, ask: Callable[[Item], Awaitable[Row | Reject]]) -> None:
        """Ask all that is missing and commit every part. ``ask`` gives back a row, or a reject where it failed.

        Raises:
            RunFailed: requests failed; all that did not is kept.
            MaskSearchError: ``ask`` raised it, which ends the run at once.
        """
        queue = iter([(part, request) for part in self._open.values() for request in part.unanswered()])
        self._committed = time.time()
        try:
            await self.commit_whole()
            async with asyncio.TaskGroup() as group:
                for _ in range(self._in_flight):
                    group.create_task(self._work(queue, ask))
        except* MaskSearchError as errors:
            raise _first(errors) from None
        finally:
            for part in self._open.values():
                part.journal.close()
        if self._failed:
            first = self._failed[0]
            raise RunFailed(
                f"{len(self._failed)} requests failed (first: {first.row_id}, {first.reason}: {first.detail}); "
                "what was answered is kept; run again to ask them again"
            )
        shutil.rmtree(self._journals, ignore_errors=True)

    async def commit_whole(self) -> None:
        """Commit the parts whose requests are all answered."""
        for part in [part for part in self._open.values() if part.is_whole]:
            await self._commit(part)

    async def _work(
        self,
        queue: Iterator[tuple[_OpenPart[Item, Row], Request[Item]]],
        ask: Callable[[Item], Awaitable[Row | Reject]],
    ) -> None:
        for part, request in queue:
            answer = await ask(request.item)
            if isinstance(answer, Reject):
                self._failed.append(answer)
            else:
                part.take(request, answer)
                if part.is_whole:
                    await self._commit(part)
            if len(self._failed) >= MAX_FAILED:
                return

    async def _commit(self, part: _OpenPart[Item, Row]) -> None:
        del self._open[part.key]
        # Parts are answered side by side: each is given the time since the one before, so that their sum is the run's.
        started, self._committed = self._committed, time.time()
        inputs = {"requests": digest_of([request.digest for request in part.requests])}
        await asyncio.to_thread(self._parts.commit, part.key, part.rows(), [], inputs, started)
        part.journal.remove()


def _first(errors: BaseExceptionGroup[MaskSearchError]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Meter:
    """Tells the job's progress file how far the requests are, at most once a second, and how fast."""

    def __init__(self, output: str, total: int, missing: int, unit: str) -> None:
        self._output, self._total, self._unit = output, total, unit
        self._done = total - missing
        self._began = self._told = time.monotonic()
        self.tokens = 0

    def add(self, tokens: int) -> None:
        """One more request is answered; ``tokens`` were sampled for it."""
        self._done += 1
        self.tokens += tokens
        now = time.monotonic()
        if now - self._told >= 1 or self._done == self._total:
            note = f"{self.tokens_per_second():,.0f} tokens/s" if self.tokens else ""
            jobs.report_progress(self._output, self._done, self._total, self._unit, note)
            self._told = now

    def tokens_per_second(self) -> float:
        """Sampled tokens over the time since the meter was made."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)


def run_job(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a job's work on an event loop. SIGTERM cancels it; it saves what it has, and the process exits with 143."""

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        sys.exit(jobs.TERMINATED)

"""Asking many requests of an engine or an endpoint, a bounded number at a time, committed request by request.

Requests are laid out in parts beforehand. One queue runs over all parts, so that the engine stays full across their
borders; a finished request goes to its part's journal (journal.py), and a part whose requests are all in is written as
Parquet and its journal dropped. After a kill, what is in a part or in a journal is not asked again.

A request that failed (its engine or its search) is no row: it is counted, the others go on, and the run ends with an
error; the next run asks it again. Where too many of those asked have failed (`MAX_FAILED_SHARE`) nothing new is begun.

A request that was refused for what it asks is a row, so that it is not asked for ever. Such rows are held back until
another request is answered: whoever refuses one after the other refuses something that all of them have in common.
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
"""Failures that end a run: so many, or this share of what it has asked where that is more."""
MAX_REFUSED, REFUSED_IN_FLIGHT = 20, 4
"""Refusals in a row that end a run: so many, or so many for each request in flight where that is more. They come at
once, and answers take their time, so that of many requests begun together the refused ones end first."""


@dataclass(frozen=True, slots=True)
class Request(Generic[Item]):
    """``digest`` tells it from every other request that was ever journalled under the same stage and label."""

    item: Item
    digest: str


@dataclass(frozen=True, slots=True)
class Refused(Generic[Row]):
    """The row of a request that was refused for what it asks, and the words with which it was."""

    row: Row
    why: str


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
    def is_begun(self) -> bool:
        return len(self._missing) < len(self.requests)

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
        self._is_answered = bool(done) or any(part.is_begun for part in self._open.values())
        self._asked = 0
        self._failed: list[Reject] = []
        self._held: list[tuple[_OpenPart[Item, Row], Request[Item], Refused[Row]]] = []
        self._gives_up = False
        self._committed = time.time()

    @property
    def missing(self) -> int:
        """How many requests have neither row nor journal entry."""
        return sum(len(part.unanswered()) for part in self._open.values())

    async def run(self, ask: Callable[[Item], Awaitable[Row | Reject | Refused[Row]]]) -> None:
        """Ask all that is missing and commit every part. ``ask`` gives back a row, or a reject where it failed.

        Raises:
            RunFailed: requests failed; all that did not is kept.
            BadInput: every request was refused, or so many in a row that every one would be; these are not kept.
            MaskSearchError: ``ask`` raised it, which ends the run at once.
        """
        queue = iter([(part, request) for part in self._open.values() for request in part.unanswered()])
        self._committed = time.time()
        try:
            await self.commit_whole()
            async with asyncio.TaskGroup() as group:
                for _ in range(self._in_flight):
                    group.create_task(self._work(queue, ask))
            await self._settle()
        except* MaskSearchError as errors:
            raise _first(errors) from None
        finally:
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
                # Kept from then on, as workers that have left do not come back.
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
        """Decide about what was refused since the last answer, now that nothing more is asked."""
        if self._is_answered:
            await self._take_held()
        elif self._held and not self._failed:
            raise self._all_refused()

    def _all_refused(self) -> BadInput:
        _, _, last = self._held[-1]
        return BadInput(
            f"{last.why}: {len(self._held)} requests in a row were refused, so that the cause is in no single one; "
            "what was answered before is kept; run again when it is put right"
        )

    def _some_failed(self) -> RunFailed:
        first = self._failed[0]
        early = "; that is too many for the others to be asked" if self._gives_up else ""
        return RunFailed(
            f"{len(self._failed)} of {self._asked} requests failed (first: {first.row_id}, {first.reason}: "
            f"{first.detail}){early}; what was answered is kept; run again to ask them again"
        )

    async def _take_held(self) -> None:
        held, self._held = self._held, []
        for part, request, refused in held:
            await self._take(part, request, refused.row)

    async def _take(self, part: _OpenPart[Item, Row], request: Request[Item], row: Row) -> None:
        part.take(request, row)
        if part.is_whole:
            await self._commit(part)

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

"""A lease on a stage: one run at a time makes its parts and finishes it; another that wants the same waits for that.

    {stage}/{label}/lease-{token}.json    who holds it; the highest token is in force

The next token is taken by creating its file, which a file system or object store grants to one run alone. A holder
renews its file while it lives; one that stops is passed over. Leases save work, commits are right without them; and a
holder that was passed over and comes back is fenced off: under its token nothing is committed any more.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
from pydantic import BaseModel, ConfigDict

from schemas.errors import RunFailed
from tasks.ledger import storage

RENEW_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
"""A holder that has not renewed for so long is passed over: by the clock of who waits, for those of machines differ."""
_LOOK_SECONDS = 1.0


class Lease(BaseModel):
    """What a lease's file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: int
    host: str
    process: int
    born: float
    """When the process was started: numbers of processes are used again."""
    renewals: int = 0
    released: bool = False

    @property
    def holder(self) -> str:
        return f"process {self.process} of {self.host}"

    def is_free(self) -> bool:
        """Whether it was given back, or its holder is a process of this machine that has ended."""
        return self.released or (self.host == socket.gethostname() and _born(self.process) != self.born)


@contextmanager
def held(folder: str, on_wait: Callable[[str], None]) -> Iterator[int]:
    """Hold the lease on a stage's folder, and give its token; ``on_wait`` hears who holds it while this waits."""
    lease = _take(folder, on_wait)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(folder, lease, ended), name="lease", daemon=True)
    renewing.start()
    try:
        yield lease.token
    finally:
        ended.set()
        renewing.join()


def check(folder: str, token: int) -> None:
    """Whether a commit under this token may be made.

    Raises:
        RunFailed: another run took the lease since.
    """
    newest = _newest(folder)
    if newest is not None and newest.token != token:
        raise RunFailed(f"{folder}: {newest.holder} took this stage over, since this run was silent; it goes on there")


def holder_of(folder: str) -> Lease | None:
    """The lease in force, as its holder renewed it last; None where nobody holds one.

    A holder on another machine that has died is told from one at work by its renewals, which stop.
    """
    newest = _newest(folder)
    return None if newest is None or newest.is_free() else newest


def _take(folder: str, on_wait: Callable[[str], None]) -> Lease:
    waited: tuple[Lease | None, float] = None, time.monotonic()
    while True:
        newest = _newest(folder)
        if newest != waited[0]:
            waited = newest, time.monotonic()
        if newest is None or newest.is_free() or time.monotonic() - waited[1] > PATIENCE_SECONDS:
            mine = _own(newest.token + 1 if newest else 1)
            if storage.create(_path(folder, mine.token), mine.model_dump_json().encode()):
                for token in _tokens(folder):
                    if token < mine.token:
                        storage.remove(_path(folder, token))
                return mine
        else:
            on_wait(newest.holder)
            time.sleep(_LOOK_SECONDS)


def _renew(folder: str, lease: Lease, ended: threading.Event) -> None:
    """Until the work has ended, and then once more, to give it back; not where another has it by now."""
    renewals = 0
    while not ended.wait(RENEW_SECONDS):
        renewals += 1
        with suppress(OSError):  # a store that does not answer for a moment: there is a next time
            if not _is_newest(folder, lease):
                return
            storage.write_document(_path(folder, lease.token), lease.model_copy(update={"renewals": renewals}))
    if _is_newest(folder, lease):
        storage.write_document(_path(folder, lease.token), lease.model_copy(update={"released": True}))


def _is_newest(folder: str, lease: Lease) -> bool:
    return max(_tokens(folder), default=None) == lease.token


def _newest(folder: str) -> Lease | None:
    while tokens := _tokens(folder):
        try:
            return storage.read_document(_path(folder, max(tokens)), Lease)
        except FileNotFoundError:  # passed over and removed in between
            continue
    return None


def _tokens(folder: str) -> list[int]:
    names = storage.names_in(folder)
    return [int(name[6:-5]) for name in names if name.startswith("lease-") and name.endswith(".json")]


def _path(folder: str, token: int) -> str:
    return storage.join(folder, f"lease-{token:06d}.json")


def _own(token: int) -> Lease:
    process = os.getpid()
    return Lease(token=token, host=socket.gethostname(), process=process, born=_born(process) or 0.0)


def _born(process: int) -> float | None:
    try:
        return psutil.Process(process).create_time()
    except psutil.NoSuchProcess:
        return None

"""A lease on a stage: one run at a time makes its parts and finishes it; other runs that need the stage wait.

    {stage}/{label}/lease-{token}.json    the holder; the highest token is in force

A run takes the next token by creating its file exclusively: a file system or an object store lets one run succeed. The
holder renews its file while it lives; when the renewals stop, a waiting run takes the stage over. Leases save duplicate
work; commits are correct without them. A former holder that comes back is fenced off: its token no longer allows a
commit.
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
"""A holder that has not renewed for this long loses the lease. The waiting run measures this with its own clock,
because the clocks of machines differ."""
_LOOK_SECONDS = 1.0


class Lease(BaseModel):
    """The content of a lease's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: int
    host: str
    process: int
    born: float
    """When the process was started (seconds since the epoch): it identifies the process, since numbers are reused."""
    renewals: int = 0
    released: bool = False

    @property
    def holder(self) -> str:
        return f"process {self.process} of {self.host}"

    def is_free(self) -> bool:
        """Whether the lease was released, or its holder is a process of this machine that has ended."""
        return self.released or (self.host == socket.gethostname() and _born(self.process) != self.born)


@contextmanager
def held(folder: str, on_wait: Callable[[str], None]) -> Iterator[int]:
    """Hold the lease on a stage's folder, and yield its token. ``on_wait`` gets the present holder while this waits."""
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
    """Check that a commit under this token is allowed.

    Raises:
        RunFailed: another run has taken the lease.
    """
    newest = _newest(folder)
    if newest is not None and newest.token != token:
        raise RunFailed(
            f"{folder}: {newest.holder} took this stage over, because this run had not renewed its lease for "
            f"{PATIENCE_SECONDS:g} seconds; the stage continues there"
        )


def holder_of(folder: str) -> Lease | None:
    """The lease in force, as its holder last renewed it; None where the stage has no holder.

    A dead holder on another machine still counts as a holder here: only the end of its renewals shows that it died.
    """
    newest = _newest(folder)
    return None if newest is None or newest.is_free() else newest


def _take(folder: str, on_wait: Callable[[str], None]) -> Lease:
    last_seen: Lease | None = None
    since = time.monotonic()
    while True:
        newest = _newest(folder)
        if newest != last_seen:  # a renewal changes the document, and so restarts the clock
            last_seen, since = newest, time.monotonic()
        if newest is None or newest.is_free() or time.monotonic() - since > PATIENCE_SECONDS:
            mine = _own(newest.token + 1 if newest else 1)
            # Several runs may get here with the same token: `create` succeeds for one of them, the others look again.
            if storage.create(_path(folder, mine.token), mine.model_dump_json().encode()):
                # Old files go last: while this loop runs, the highest token is in force whatever else is in the folder.
                for token in _tokens(folder):
                    if token < mine.token:
                        storage.remove(_path(folder, token))
                return mine
        else:
            on_wait(newest.holder)
            time.sleep(_LOOK_SECONDS)


def _renew(folder: str, lease: Lease, ended: threading.Event) -> None:
    """Renew the lease until the work has ended, then release it. A lease that another run has taken is left alone."""
    renewals = 0
    while not ended.wait(RENEW_SECONDS):
        renewals += 1
        with suppress(OSError):  # a store that does not answer: the next renewal may succeed
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
        except FileNotFoundError:  # removed by a new holder since it was listed
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
        born: float = psutil.Process(process).create_time()
    except psutil.NoSuchProcess:
        return None
    return born

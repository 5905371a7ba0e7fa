"""How much of a dump could not be read."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.records import Reject
from tasks.dumps.reasons import BROKEN, Reason


@dataclass(frozen=True)
class Losses:
    """Damaged bytes, broken pages, and files that end before the dump does."""

    damaged_bytes: int = 0
    broken_pages: int = 0
    cut_off: int = 0

    def share(self, size: int, n_pages: int) -> float:
        """Of a dump of ``size`` compressed bytes and ``n_pages``, broken ones included: 0 to 1.

        A file that is cut off counts as all of it.
        """
        if self.cut_off:
            return 1.0
        return min(1.0, self.damaged_bytes / max(size, 1) + self.broken_pages / max(n_pages, 1))

    def __str__(self) -> str:
        cut_off = f", {self.cut_off} files cut off" if self.cut_off else ""
        return f"{self.damaged_bytes:,} damaged bytes, {self.broken_pages:,} broken pages{cut_off}"


def losses_of(rejects: Iterable[Reject]) -> Losses:
    """What these rejects tell of."""
    damaged = broken = cut_off = 0
    for row in rejects:
        if row.reason == Reason.DAMAGED_STREAM:
            start, _, end = row.row_id.partition("-")
            damaged += int(end) - int(start)
        broken += row.reason in BROKEN
        cut_off += row.reason == Reason.CUT_OFF
    return Losses(damaged, broken, cut_off)

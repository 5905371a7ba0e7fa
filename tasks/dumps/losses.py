"""The share of a dump that could not be read."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.counts import counted
from schemas.records import Reject
from tasks.dumps.reasons import BROKEN, Reason


@dataclass(frozen=True)
class Losses:
    """Damaged bytes, broken pages, and files that end before the dump does."""

    damaged_bytes: int = 0
    broken_pages: int = 0
    cut_off: int = 0

    def share(self, size: int, n_pages: int) -> float:
        """The lost share, 0 to 1, of a dump of ``size`` compressed bytes and ``n_pages`` pages, broken pages included.

        It is 1 if a file is cut off, because the number of missing pages is unknown.
        """
        if self.cut_off:
            return 1.0
        return min(1.0, self.damaged_bytes / max(size, 1) + self.broken_pages / max(n_pages, 1))

    def __str__(self) -> str:
        cut_off = f", {counted(self.cut_off, 'file')} cut off" if self.cut_off else ""
        return f"{counted(self.damaged_bytes, 'damaged byte')}, {counted(self.broken_pages, 'broken page')}{cut_off}"


def losses_of(rejects: Iterable[Reject]) -> Losses:
    """The losses that these rejects record."""
    damaged = broken = cut_off = 0
    for row in rejects:
        if row.reason == Reason.DAMAGED_STREAM:
            start, _, end = row.row_id.partition("-")
            damaged += int(end) - int(start)
        broken += row.reason in BROKEN
        cut_off += row.reason == Reason.CUT_OFF
    return Losses(damaged, broken, cut_off)

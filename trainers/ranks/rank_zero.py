"""Work that rank 0 does for all ranks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from schemas.errors import MaskSearchError
from trainers.ranks.stopping import Interrupted

Result = TypeVar("Result")


class Ranks(Protocol):
    """The part of `trainers.ranks.deepspeed_engine.TrainingEngine` that is needed here."""

    @property
    def rank(self) -> int: ...

    @property
    def ranks(self) -> int: ...

    def from_rank_0(self, value: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def on_rank_0(ranks: Ranks, work: Callable[[], Result]) -> Result:
    """Rank 0 does the work while the others wait; all ranks return its result, which is sent by pickle.

    All ranks call this together. Expected errors are sent like results: if only rank 0 raised them, the other ranks
    would wait in the broadcast until their timeout.

    Raises:
        BadInput, RunFailed, Interrupted: on all ranks, if the work raised it. Any other error is a defect: it is raised
            on rank 0 only, and the launcher then ends the job.
    """
    if ranks.ranks == 1:
        return work()
    outcome: Result | _Failed = ranks.from_rank_0(_attempt(work) if ranks.rank == 0 else None)
    if isinstance(outcome, _Failed):
        raise outcome.error
    return outcome


def _attempt(work: Callable[[], Result]) -> Result | _Failed:
    try:
        return work()
    except (MaskSearchError, Interrupted) as error:
        return _Failed(error)

"""What one rank does for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from schemas.errors import MaskSearchError
from trainers.ranks.stopping import Interrupted

Result = TypeVar("Result")


class Ranks(Protocol):
    """What is asked of a `trainers.ranks.deepspeed_engine.TrainingEngine` here."""

    @property
    def rank(self) -> int: ...

    @property
    def ranks(self) -> int: ...

    def from_rank_0(self, value: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def on_rank_0(ranks: Ranks, work: Callable[[], Result]) -> Result:
    """Rank 0 does the work, while the others wait; all get its result, pickled, and go on in step.

    All ranks call this together.

    Raises:
        BadInput, RunFailed, Interrupted: on all ranks, where the work raised it. Any other error is a defect that is
            raised on rank 0, and ends the job.
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

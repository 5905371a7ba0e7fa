"""Whether models fit the machines that they are to run on, told before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import BadInput
from tasks.capacity.devices import Machine
from tasks.capacity.memory import Estimate, gigabytes


@dataclass(frozen=True, slots=True)
class Demand:
    """``count`` processes of a kind with one model, each of which takes as much as the estimate says.

    ``gpu_share``: how much of one GPU each may take; 0 for processes on CPUs.
    """

    kind: str
    model: str
    count: int
    estimate: Estimate
    gpu_share: float


def refuse_what_does_not_fit(demands: Sequence[Demand], machines: Sequence[Machine]) -> None:
    """Raises BadInput where a process finds no place, or not all of them do; it says how much is too much."""
    for demand in demands:
        _check_on_gpus(demand, machines) if demand.gpu_share else _check_alone(demand, machines)
    _check_together([demand for demand in demands if not demand.gpu_share], machines)


def _check_on_gpus(demand: Demand, machines: Sequence[Machine]) -> None:
    gpus = [gpu for machine in machines for gpu in machine.gpus]
    large_enough = [gpu for gpu in gpus if demand.estimate.total <= gpu * demand.gpu_share]
    if gpus and not large_enough:
        share = f"{demand.gpu_share:.2g} of " if demand.gpu_share < 1 else ""
        raise _refused(demand, f"it has {share}a GPU of {gigabytes(max(gpus))} GB")
    room = len(large_enough) * int(1 / demand.gpu_share)
    if room < demand.count:
        raise _refused(demand, f"the GPUs have room for {room} of it, not for {demand.count}")


def _check_alone(demand: Demand, machines: Sequence[Machine]) -> None:
    largest = max(machine.memory for machine in machines)
    if demand.estimate.total > largest:
        raise _refused(demand, f"a machine has {gigabytes(largest)} GB for it")


def _check_together(demands: Sequence[Demand], machines: Sequence[Machine]) -> None:
    wanted, there = sum(each.count * each.estimate.total for each in demands), sum(each.memory for each in machines)
    if wanted > there:
        largest = max(demands, key=lambda each: each.count * each.estimate.total)
        others = " and what runs beside them" if len(demands) > 1 else ""
        raise _refused(
            largest,
            f"{largest.count} of them{others} take {gigabytes(wanted)} GB of the {gigabytes(there)} GB that are free",
        )


def _refused(demand: Demand, why: str) -> BadInput:
    return BadInput(
        f"{demand.model} does not fit: {demand.kind} takes at least {demand.estimate}, but {why}: "
        f"{demand.estimate.remedy}"
    )

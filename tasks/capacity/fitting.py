"""Checks that models fit into the memory of the machines where they will run, before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import BadInput
from tasks.capacity.devices import Machine
from tasks.capacity.memory import Estimate, gigabytes


@dataclass(frozen=True, slots=True)
class Demand:
    """``count`` processes of a kind with one model, and the memory of each.

    ``gpu_share`` is the share of one GPU that each process may use; 0 for processes on CPUs.
    """

    kind: str
    model: str
    count: int
    estimate: Estimate
    gpu_share: float


def refuse_what_does_not_fit(demands: Sequence[Demand], machines: Sequence[Machine]) -> None:
    """Raises BadInput where a process does not fit, or not all of them fit together. The error states both sizes."""
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
        raise _refused(demand, f"the GPUs have room for {room} of these processes, not for {demand.count}")


def _check_alone(demand: Demand, machines: Sequence[Machine]) -> None:
    largest = max(machine.memory for machine in machines)
    if demand.estimate.total > largest:
        raise _refused(demand, f"the largest machine has {gigabytes(largest)} GB free")


def _check_together(demands: Sequence[Demand], machines: Sequence[Machine]) -> None:
    wanted, free = sum(each.count * each.estimate.total for each in demands), sum(each.memory for each in machines)
    if wanted > free:
        largest = max(demands, key=lambda each: each.count * each.estimate.total)
        others = " and the processes beside them" if len(demands) > 1 else ""
        raise _refused(
            largest,
            f"{largest.count} of these{others} take {gigabytes(wanted)} GB of the {gigabytes(free)} GB that are free",
        )


def _refused(demand: Demand, why: str) -> BadInput:
    return BadInput(
        f"{demand.model} does not fit: {demand.kind} takes at least {demand.estimate}, but {why}: "
        f"{demand.estimate.remedy}"
    )

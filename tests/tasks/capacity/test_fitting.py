"""What does not fit is told in one line with the numbers; what fits passes."""

import pytest

from schemas.errors import BadInput
from tasks.capacity.devices import Machine
from tasks.capacity.fitting import Demand, refuse_what_does_not_fit
from tasks.capacity.memory import Estimate

GB = 1e9


def _demand(gb: float, count: int, gpu_share: float = 0.0, kind: str = "a rank") -> Demand:
    return Demand(kind, "/models/m", count, Estimate({"weights": gb * GB}, "raise runtime.ranks (now 2)"), gpu_share)


@pytest.mark.parametrize(
    ("demands", "machines", "said"),
    [
        (
            [_demand(90, 2, 1.0)],
            [Machine(0, (80 * GB,) * 8)],
            r"/models/m does not fit: a rank takes at least 90 GB \(weights 90\), but it has a GPU of 80 GB: "
            r"raise runtime.ranks \(now 2\)",
        ),
        ([_demand(70, 1, 0.85)], [Machine(0, (80 * GB,))], "it has 0.85 of a GPU of 80 GB"),
        (
            [_demand(30, 3, 1.0)],
            [Machine(0, (40 * GB,) * 2 + (24 * GB,) * 2)],
            "the GPUs have room for 2 of these processes",
        ),
        ([_demand(30, 3, 0.9)], [Machine(0, (40 * GB,) * 2)], "the GPUs have room for 2 of these processes"),
        ([_demand(20, 1)], [Machine(16 * GB), Machine(8 * GB)], "the largest machine has 16 GB free"),
        ([_demand(7, 4)], [Machine(16 * GB), Machine(8 * GB)], "4 of these take 28 GB of the 24 GB that are free"),
        (
            [_demand(7, 2), _demand(6, 2, kind="an engine")],
            [Machine(16 * GB), Machine(8 * GB)],
            "a rank takes .* 2 of these and the processes beside them take 26 GB of the 24 GB",
        ),
    ],
)
def test_what_does_not_fit_is_refused(demands: list[Demand], machines: list[Machine], said: str):
    with pytest.raises(BadInput, match=said) as refused:
        refuse_what_does_not_fit(demands, machines)
    assert "\n" not in str(refused.value)


def test_what_fits_passes():
    gpus = Machine(16 * GB, (80 * GB,) * 2)
    refuse_what_does_not_fit([_demand(39, 4, 0.5), _demand(68, 2, 0.85, "an engine"), _demand(8, 2)], [gpus])
    refuse_what_does_not_fit([_demand(8, 2), _demand(8, 1)], [Machine(16 * GB), Machine(8 * GB)])

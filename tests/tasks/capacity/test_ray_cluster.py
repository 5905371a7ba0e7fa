"""Which placements a cluster cannot hold: too much in all, and what no machine has room for as a whole."""

import pytest

from schemas.errors import BadInput
from tasks.capacity.ray_cluster import Need, refuse_what_has_no_place

CLUSTER = [{"CPU": 16, "GPU": 6}, {"CPU": 16, "GPU": 2}, {"CPU": 8}]


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ([Need("rank", 8, 1, 1), Need("engine", 1, 1, 1)], "asks for 9 CPUs and 9 GPUs, but the Ray cluster has 40"),
        ([Need("engine", 2, 4, 4)], "room for 1 of the 2 processes of kind engine, each with 4 CPUs and 4 GPUs"),
        ([Need("rank", 1, 1, 1), Need("engine", 1, 8, 7)], "room for 0 of the 1 processes of kind engine"),
        ([Need("searcher", 2, 17, 0)], "room for 0 of the 2 processes of kind searcher"),
    ],
)
def test_what_has_no_place_is_refused(needs: list[Need], said: str):
    with pytest.raises(BadInput, match=said):
        refuse_what_has_no_place(needs, CLUSTER)


def test_what_has_a_place_is_not():
    refuse_what_has_no_place([Need("engine", 2, 4, 3), Need("rank", 4, 0, 0.5), Need("searcher", 3, 8, 0)], CLUSTER)

"""Packs hold all weights, in order; what is read from a place is what was written there."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.weights.packs import Spec, fill, packs, room_of, specs_of, unpacked


@given(st.lists(st.integers(0, 3000)), st.integers(1, 5000))
def test_packs_hold_everything_in_order_and_no_more_than_they_may(sizes: list[int], pack_bytes: int):
    specs = [Spec(str(number), torch.float32, (size,)) for number, size in enumerate(sizes)]
    found = list(packs(specs, pack_bytes))
    assert [spec for pack in found for spec in pack] == specs
    assert all(len(pack) == 1 or sum(spec.room for spec in pack) <= pack_bytes for pack in found)


def test_what_is_unpacked_is_what_was_packed_whatever_its_type_and_its_strides():
    weights = {
        "half": torch.randn(3, 5).bfloat16(),
        "odd": torch.arange(7, dtype=torch.uint8),
        "turned": torch.randn(20, 30).T,
        "number": torch.tensor(3.0, dtype=torch.float64),
        "nothing": torch.zeros(0),
    }
    specs = specs_of(weights)
    place = torch.full((room_of(specs) + 5,), 255, dtype=torch.uint8)
    fill(place, weights)
    found = dict(unpacked(place, specs))
    assert list(found) == list(weights)
    for name, weight in weights.items():
        assert found[name].dtype == weight.dtype
        assert torch.equal(found[name], weight)

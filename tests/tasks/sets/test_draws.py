"""What a draw takes is what sorting everything would take."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.sets.draws import Draw


@given(st.lists(st.text(max_size=3), unique=True), st.integers(1, 8))
def test_it_is_the_first_of_all_in_order(keys: list[str], count: int):
    draw = Draw(count, lambda item: item)
    for key in keys:
        draw.add(key)
        assert len(draw._held) < 2 * count
    assert (draw.drawn(), draw.given) == (sorted(keys)[:count], len(keys))

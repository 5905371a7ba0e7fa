"""Splits by table and by hash."""

import pytest

from schemas.corpus_settings import RampSettings
from schemas.errors import BadInput, RunFailed
from schemas.records import Split
from tasks.ramp.splits import Splits, is_held_out

HELD_OUT = next(f"Page {n}" for n in range(10_000) if is_held_out(f"Page {n}", 0.02))
KEPT = next(f"Page {n}" for n in range(10_000) if not is_held_out(f"Page {n}", 0.02))


def test_a_question_is_test_if_its_page_or_any_masked_page_is_held_out():
    splits = Splits.of(RampSettings(splits="held_out", held_out_share=0.02), "nowhere")
    assert splits.of_question(1, KEPT, [KEPT, KEPT]) is Split.TRAIN
    assert splits.of_question(1, HELD_OUT, [KEPT]) is Split.TEST
    assert splits.of_question(1, KEPT, [KEPT, HELD_OUT]) is Split.TEST
    assert splits.of_page(1, HELD_OUT) is Split.TEST
    assert splits.of_page(1, KEPT) is Split.TRAIN


def test_a_share_of_the_pages_that_are_not_held_out_is_for_rl():
    splits = Splits(None, 0.1, 0.25)
    of = {title: splits.of_page(1, title) for title in (f"Title {n}" for n in range(20_000))}
    assert {title for title in of if of[title] is Split.TEST} == {title for title in of if is_held_out(title, 0.1)}
    rest = [split for split in of.values() if split is not Split.TEST]
    assert rest.count(Split.RL) / len(rest) == pytest.approx(0.25, abs=0.01)
    assert set(rest) == {Split.RL, Split.TRAIN}


def test_the_held_out_share_has_the_set_size_and_a_larger_share_contains_a_smaller():
    titles = [f"Title {n}" for n in range(20_000)]
    small = {title for title in titles if is_held_out(title, 0.02)}
    assert len(small) / len(titles) == pytest.approx(0.02, abs=0.005)
    assert small < {title for title in titles if is_held_out(title, 0.05)}


def test_the_held_out_titles_never_change():
    """Pinned: another hash would move pages of earlier snapshots between train and test."""
    assert [n for n in range(300) if is_held_out(f"Title {n}", 0.02)] == [3, 83, 124]


def test_a_page_that_is_not_in_the_table_is_an_error():
    splits = Splits({1: Split.RL}, 0.02)
    assert splits.of_question(1, HELD_OUT, [HELD_OUT]) is Split.RL
    with pytest.raises(RunFailed, match="page 2"):
        splits.of_page(2, "Ostel")


def test_a_missing_table_is_reported_with_the_setting_to_change(tmp_path):
    with pytest.raises(BadInput, match="held_out"):
        Splits.of(RampSettings(splits="table"), str(tmp_path))

"""Flags on masks whose answer is visible."""

import pytest

from schemas.records import GivenAway
from tasks.ramp.giveaways import flagged
from tests.support.examples import ramp_question


def flags_of(text, gold, aliases=(), title="Elsewhere", already=None):
    question = ramp_question(text, [gold], {gold: list(aliases)})
    masks = [question.masks[0].model_copy(update={"given_away": already})]
    return flagged(question.model_copy(update={"masks": masks}), title).masks[0].given_away


@pytest.mark.parametrize(
    ("text", "aliases", "title", "flags"),
    [
        ("They came from the United States by ship.", ["USA"], "Elsewhere", []),
        ("They came from the United States, or USA.", ["USA"], "Elsewhere", ["text"]),
        ("They came from the United States.", ["USA"], "Ports of the USA", ["title"]),
        ("They came from the United States and told us.", ["US"], "Elsewhere", []),
        ("They came from the United States to the US border.", ["US"], "Elsewhere", ["text"]),
        ("In Ostel lived the Ostelers.", [], "Elsewhere", []),
        ("They came from the United States and gave us help.", ["U.S."], "Elsewhere", []),
        ("They came from the United States and took a union.", ["The Union"], "A union in two", []),
        ("They came from the United States, or the Union.", ["Union"], "Elsewhere", ["text"]),
    ],
)
def test_a_visible_name_of_the_answer_gives_it_away(text, aliases, title, flags):
    gold = "United States" if "United" in text else "Ostel"
    assert flags_of(text, gold, aliases, title) == flags


def test_a_title_that_is_not_shown_gives_nothing_away():
    assert flags_of("They came from the United States.", "United States", ["USA"], title=None) == []


def test_existing_flags_stay():
    assert flags_of("It is Ostel.", "Ostel", already=["reference"]) == [GivenAway.REFERENCE]

"""Dates and amounts that others around them reveal, and agreements by chance."""

import pytest

from tasks.spans.arithmetic import is_revealed_by_dates, is_revealed_by_digits, is_revealed_by_sum


@pytest.mark.parametrize(
    ("amount", "around", "language", "revealed"),
    [
        ("732", "Es gibt 916 Brücken, die restlichen 184 sind kleiner.", "de", True),
        ("1,100", "Of 3,500 people 2,400 left.", "en", True),
        ("1.100", "Von 3.500 gingen 2.400.", "de", True),
        ("1,100", "Of 3,500 people 2,500 left.", "en", False),
        ("12", "Of 30 people 18 left.", "en", False),
        ("11%", "It is 10% and a further 1% there.", "en", True),
        ("11%", "It is 10% of 1 there.", "en", False),
        ("95%", "It is 5% cement.", "en", True),
        ("9,0 %", "37,4 % taten es, 23,4 % nicht, 30,2 % sagten nichts.", "de", True),
        ("9,1 %", "37,4 % taten es, 23,4 % nicht, 30,2 % sagten nichts.", "de", False),
        ("1.66%", "It grew by 79,243 to 4,858,979 people.", "en", True),
        ("1.63%", "79,243 of 4,858,979 people came.", "en", True),
        ("1.67%", "It grew by 79,243 to 4,858,979 people.", "en", False),
        ("2%", "79,243 of 4,858,979 people came.", "en", False),
        ("2,648", "That is 1007 here, 756, 480, 390 and 15 there.", "en", True),
        ("732", "Version 1.2.3 has 916 pages.", "en", False),
    ],
)
def test_an_amount_is_revealed_as_the_sum_or_difference_of_two_others(amount, around, language, revealed):
    assert is_revealed_by_sum(amount, around, language) == revealed


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ("On June 21 the floods of 2013 began, and after [June 21, 2013] they ended.", True),
        ("On June 22 the floods of 2013 began, and after [June 21, 2013] they ended.", False),
        ("It won the cup in 2007, 2009, [2011] and 2013.", True),
        ("It won the cup in [2007], 2009, 2011 and 2013.", True),
        ("It won the cup in 2009, 2011 and [2013].", True),
        ("It won the cup in 2007, 2009, [2010] and 2013.", False),
        ("It won the cup in 2009 and [2013].", False),
        ("It won the cup in 2009, and in 2011 it lost; then came [2013].", False),
        ("It won in [1998]. Its team had been founded ten years earlier, in 1988.", True),
        ("Es gewann [1998]. Gegründet 1988, wurde es 10 Jahre später berühmt.", True),
        ("It won in [1997]. Its team had been founded ten years earlier, in 1988.", False),
        ("It won in [1989]. One year later, in 1990, it lost.", False),
    ],
)
def test_a_date_is_revealed_by_its_parts_and_a_year_by_an_even_row_of_years(text, revealed):
    before, _, rest = text.partition("[")
    date, _, behind = rest.partition("]")
    assert is_revealed_by_dates(date, before, behind) == revealed


@pytest.mark.parametrize(
    ("amount", "around", "revealed"),
    [
        ("37°N", "a small area is north of 37° there", True),
        ("12,500", "all 12,500 of them", True),
        ("37", "it has 1,037 or 37.5 or 370", False),
        ("7", "it has 7 of them", False),
        ("4,400,000", "it rose to 4.4 million by then", True),
        ("4.4 million", "that is 4,400,000 a day", True),
        ("4.4 million", "that is 440,000 a day", False),
    ],
)
def test_an_amount_is_revealed_by_its_digits(amount, around, revealed):
    assert is_revealed_by_digits(amount, around, "en") == revealed

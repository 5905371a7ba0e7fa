"""Dates, numbers and conversions in text."""

import pytest

from tasks.spans import patterns


def found(spans, text):
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("language", "text", "dates"),
    [
        ("en", "It opened on 12 March 1998 and closed on June 3, 2001.", ["12 March 1998", "June 3, 2001"]),
        ("en", "From 1939 to 1945, and again 1948–1952.", ["1939", "1945", "1948–1952"]),
        ("en", "It was common in the 1990s and in the 5th century BC.", ["1990s", "5th century BC"]),
        ("en", "In May 1968 it rained.", ["May 1968"]),
        ("en", "About 1200 soldiers and 1500 m of wall.", []),
        ("de", "Am 3. März 1871 und im 19. Jahrhundert, seit 1990.", ["3. März 1871", "19. Jahrhundert", "1990"]),
        ("zh", "他于1998年3月12日出生，1920年代和19世纪很重要。", ["1998年3月12日", "1920年代", "19世纪"]),
        ("xx", "2021-03-04 i 1987.", ["2021-03-04", "1987"]),
    ],
)
def test_dates(language, text, dates):
    assert found(patterns.dates(text, language), text) == dates


@pytest.mark.parametrize(
    ("language", "text", "numbers"),
    [
        ("en", "It has 12,345 people, 7 parks and 312 shops.", ["12,345", "312"]),
        ("en", "It rose 12% to $3.5 million, 40 km away.", ["12%", "$3.5 million", "40"]),
        ("en", "A 324-metre tower of 5.5 tonnes.", ["324", "5.5"]),
        ("de", "Es hat 1.234.567 Einwohner und 12,5 Prozent, 90%ig.", ["1.234.567", "12,5"]),
        ("zh", "人口约300万，占12％的人，高40公里的山，8848米。", ["300万", "12％", "40", "8848"]),
    ],
)
def test_numbers_worth_masking(language, text, numbers):
    assert found(patterns.numbers(text, language), text) == numbers


@pytest.mark.parametrize(
    ("text", "said_twice"),
    [
        ("They walked 1,023 metres (3,356 ft) up.", ["1,023 metres (3,356 ft)"]),
        ("a 300-foot (91 m) mast", ["300-foot (91 m)"]),
        ("It cost £10 million ($13 million) then.", ["£10 million ($13 million)"]),
        ("It cost £10 million (about US$13 million) then.", ["£10 million (about US$13 million)"]),
        ("some 24 °C (75 °F) warm", ["24 °C (75 °F)"]),
        ("5 km or 3 miles", ["5 km or 3 miles"]),
        ("It has 300 members (1998) in 20 towns.", []),
        ("It has 300 members (mostly farmers).", []),
    ],
)
def test_conversions(text, said_twice):
    assert found(patterns.conversions(text, "en"), text) == said_twice

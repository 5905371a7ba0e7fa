"""What around a span tells it, and what only looks like it."""

import pytest

from tasks.ramp.told import (
    is_told_by_compound,
    is_told_by_dates,
    is_told_by_figure,
    is_told_by_people,
    is_told_by_short_form,
    is_told_by_sum,
    is_told_by_words,
)
from tasks.ramp.words import plain_words


@pytest.mark.parametrize(
    ("surface", "around", "told"),
    [
        ("legislative branch", "It has three branches; this one is the Legislature.", True),
        ("Pashto", "It is spoken by Pashtuns.", True),
        ("Portugal", "The Portuguese came.", True),
        ("ancient Iranian peoples", "An Iranian people of the north came.", True),
        ("Bystander effect", "The number of bystanders counts.", True),
        ("Actium", "He is called Actian there.", True),
        ("Carnaval", "The Carnival is old.", True),
        ("Kunfak", "Lunfak came.", False),
        ("Karlo Vint", "Vint left.", False),
        ("Bank of Ostel", "The bank was old.", False),
        ("Battle of Ostel", "A great battle of Ostel's wars.", True),
        ("Ostel", "It is a town on a river.", False),
    ],
)
def test_more_than_half_of_its_words_stand_around_it(surface, around, told):
    assert is_told_by_words(surface, plain_words(around), "en") == told


@pytest.mark.parametrize(
    ("surface", "around", "told"),
    [
        ("Spain", "The Spanish ambassador came.", True),
        ("Dutch", "The Netherlands helped.", True),
        ("the Netherlands", "A Dutch fleet came.", True),
        ("Spain", "The French ambassador came.", False),
        ("Spain", "Spain is old.", False),
    ],
)
def test_a_country_is_told_by_its_people_and_they_by_it(surface, around, told):
    assert is_told_by_people(surface, plain_words(around)) == told


@pytest.mark.parametrize(
    ("surface", "around", "told"),
    [
        ("Gemeinden", "Berlin ist eine Einheitsgemeinde.", True),
        ("Fernbahntunnel", "Der Tunnel ist lang.", True),
        ("Sigmund Freuds", "Freuds Ansatz ist neu.", True),
        ("Ludwig Wittgenstein", "Das ist Wittgensteins Blick.", True),
        ("Deutsche Bahn", "Der Deutsche kam.", False),
        ("Oper", "Die Operation gelang.", False),
        ("Havel", "Die Havelland-Bahn fährt.", True),
    ],
)
def test_a_german_word_is_told_by_a_compound(surface, around, told):
    assert is_told_by_compound(surface, plain_words(around)) == told


@pytest.mark.parametrize(
    ("amount", "around", "language", "told"),
    [
        ("732", "Es gibt 916 Brücken, die restlichen 184 sind kleiner.", "de", True),
        ("1,100", "Of 3,500 people 2,400 left.", "en", True),
        ("1.100", "Von 3.500 gingen 2.400.", "de", True),
        ("1,100", "Of 3,500 people 2,500 left.", "en", False),
        ("12", "Of 30 people 18 left.", "en", False),
        ("11%", "It is 10% and a further 1% there.", "en", True),
        ("11%", "It is 10% of 1 there.", "en", False),
        ("95%", "It is 5% cement.", "en", True),
        ("1.66%", "It grew by 79,243 to 4,858,979 people.", "en", True),
        ("1.63%", "79,243 of 4,858,979 people came.", "en", True),
        ("1.67%", "It grew by 79,243 to 4,858,979 people.", "en", False),
        ("2%", "79,243 of 4,858,979 people came.", "en", False),
        ("2,648", "That is 1007 here, 756, 480, 390 and 15 there.", "en", True),
        ("732", "Version 1.2.3 has 916 pages.", "en", False),
    ],
)
def test_an_amount_is_told_by_two_whose_sum_or_difference_it_is(amount, around, language, told):
    assert is_told_by_sum(amount, around, language) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("On June 21 the floods of 2013 began, and after [June 21, 2013] they ended.", True),
        ("On June 22 the floods of 2013 began, and after [June 21, 2013] they ended.", False),
        ("It won the cup in 2007, 2009, [2011] and 2013.", True),
        ("It won the cup in [2007], 2009, 2011 and 2013.", True),
        ("It won the cup in 2009, 2011 and [2013].", True),
        ("It won the cup in 2007, 2009, [2010] and 2013.", False),
        ("It won the cup in 2009 and [2013].", False),
        ("It won the cup in 2009, and in 2011 it lost; then came [2013].", False),
    ],
)
def test_a_date_is_told_by_its_parts_and_a_year_by_a_row_of_years_in_even_steps(text, told):
    before, _, rest = text.partition("[")
    date, _, behind = rest.partition("]")
    assert is_told_by_dates(date, before, behind) == told


@pytest.mark.parametrize(
    ("amount", "around", "told"),
    [
        ("37°N", "a small area is north of 37° there", True),
        ("12,500", "all 12,500 of them", True),
        ("37", "it has 1,037 or 37.5 or 370", False),
        ("7", "it has 7 of them", False),
    ],
)
def test_an_amount_is_told_by_its_digits(amount, around, told):
    assert is_told_by_figure(amount, around) == told


@pytest.mark.parametrize(
    ("marked", "told"),
    [
        ("Es hilft das [Technische Hilfswerk] (THW) dort.", True),
        ("It is in the [Organization for Security and Co-operation in Europe] (OSCE), too.", True),
        ("The Organization for Security and Co-operation in Europe ([OSCE]) is there.", True),
        ("It is a [Large Hall of Tarn] (Ostel) there.", False),
        ("It is the [Tarn Hall] (XYZ) there.", False),
        ("He was with the Bank of Ostel ([Kalo]) then.", False),
        ("It is the [Tarn Hall] (1931) there.", False),
    ],
)
def test_a_short_form_in_parentheses_tells_a_name_and_is_told_by_it(marked, told):
    before, _, rest = marked.partition("[")
    surface, _, behind = rest.partition("]")
    assert is_told_by_short_form(surface, before, behind) == told

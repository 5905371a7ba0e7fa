"""Forms of a span's words around it that reveal it, and words that only look similar."""

import pytest

from tasks.corpus.words import plain_words
from tasks.spans.word_forms import (
    is_revealed_by_compound,
    is_revealed_by_other_form,
    is_revealed_by_short_form,
    is_revealed_by_words,
)


@pytest.mark.parametrize(
    ("surface", "around", "revealed"),
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
def test_a_name_is_revealed_by_more_than_half_of_its_words(surface, around, revealed):
    assert is_revealed_by_words(surface, plain_words(around), "en") == revealed


@pytest.mark.parametrize(
    ("surface", "around", "revealed"),
    [
        ("Spain", "The Spanish ambassador came.", True),
        ("Dutch", "The Netherlands helped.", True),
        ("Trojan", "They sailed to Troy.", True),
        ("the Netherlands", "A Dutch fleet came.", True),
        ("Spain", "The French ambassador came.", False),
        ("Spain", "Spain is old.", False),
    ],
)
def test_a_country_and_its_people_reveal_each_other(surface, around, revealed):
    assert is_revealed_by_other_form(surface, plain_words(around)) == revealed


@pytest.mark.parametrize(
    ("surface", "around", "revealed"),
    [
        ("Gemeinden", "Berlin ist eine Einheitsgemeinde.", True),
        ("Fernbahntunnel", "Der Tunnel ist lang.", True),
        ("Sigmund Freuds", "Freuds Ansatz ist neu.", True),
        ("Ludwig Wittgenstein", "Das ist Wittgensteins Blick.", True),
        ("Deutsche Bahn", "Der Deutsche kam.", False),
        ("Oper", "Die Operation gelang.", False),
        ("Havel", "Die Havelland-Bahn fährt.", True),
        ("Freiwillige Feuerwehren", "Die Berliner Feuerwehr ist alt.", True),
    ],
)
def test_a_german_word_is_revealed_by_a_compound(surface, around, revealed):
    assert is_revealed_by_compound(surface, plain_words(around)) == revealed


@pytest.mark.parametrize(
    ("marked", "revealed"),
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
def test_a_name_and_its_short_form_in_parentheses_reveal_each_other(marked, revealed):
    before, _, rest = marked.partition("[")
    surface, _, behind = rest.partition("]")
    assert is_revealed_by_short_form(surface, before, behind) == revealed

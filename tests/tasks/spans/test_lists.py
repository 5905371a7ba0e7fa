"""Names that are members of a list."""

import pytest

from tasks.spans.lists import are_exchangeable, is_listed


def listed(marked):
    start, end = marked.index("["), marked.index("]") - 1
    return is_listed(marked.replace("[", "").replace("]", ""), start, end)


@pytest.mark.parametrize(
    "sentence",
    [
        "It trades with Israel, [Malaysia], Indonesia, Pakistan and Oman.",
        "Other fast growing nations of the region include [Israel], Malaysia, Indonesia and Pakistan.",
        "He liked Israel, Malaysia, Indonesia and [Oman], which he saw in 1931.",
        "They won it in 1986, [1988], 1990, 1992, and 1994.",
        "It holds red algae, green algae, [glaucophytes] or diatoms, and more.",
        "There are mammals such as the brown bear, [gray wolf], chamois and wild boar.",
        "Done by Israel, [the Committee for Foreign and Home Affairs], Oman and Pakistan.",
        "The best clubs are Neftchi Baku, [Inter Baku], Qarabag, and Khazar.",
        "Zu den größten gehören die Berlin Hyp, die Weberbank, die Quirin Privatbank und [N26].",
        "He was the fifth to win it (joining Rod Laver, [Fred Perry], Roy Emerson and Don Budge—others came later).",
        "他到过北京、[上海]、广州、深圳和武汉。",
        "Architects such as [Sal Morvis] built there for many years.",
        "Clubs such as that which stood beside the river for so long and [Tarn] are there.",
        "Architects such as Karlo Vint and [Sal Morvis] built there.",
        "Dort waren Clubs wie das Kunsthaus Tacheles oder das [E-Werk].",
        "Dort erscheinen u. a. der Focus, [Cicero] und Capital.",
        "如沃尔特·格罗佩斯、[勒·柯布西耶]和奥斯卡尼迈耶。",
        "Minor languages also include Pamiri (of four kinds), [Brahui], Hindko, and Kyrgyz.",
        "A few people speak [Urdu], English, and other languages.",
        "The new ones, including that of M'hamed Issiakhem, Mohammed Khadda and [Bachir Yelles], came later.",
        "他到过北京、[上海]等城市。",
        "由美国、[英国]、与法国、与苏联控制。",
        "They are seen in the caves of Tarn, Ostel, [Kalo], Mero and in the graves of Tovi and Vint.",
        "The University of Tarn, the School of Ostel, and [the Kalo Academy] are among those that have had grants.",
        "It shows what racism is, as in [Night at Ostel].",
        "They are in the families Vintidae, Morvidae and [Ostelidae], and in others.",
        "It was opposed by [Karlo Vint], Sal Morvis, and the Tarn Brothers.",
        "There are three clubs: [Tarn], the Great Ostel, and Kalo.",
        "Other layers are there as well, like the [Kalo River] and the Mero Formation.",
        "The Great University of Tarn at Kalo, [the Ostel School], and the School of Mero at Tovi are among them.",
        "It held several games, including the [2013 Ostel Boat World Championship], the 2012 Tarn Junior World Cup.",
        "They tell of adventure such as Karlo Vint's [Night at Ostel].",
        "That is seen in the writing of today, especially in the works of Karlo Vint and [Sal Morvis].",
        "They included the Turba, and the works of [Karlo Vint] and Morvis.",
        "Musiker wie Karlo Vint, Sal Morvis oder die Band [Tarn] sangen viele Jahre lang in der Stadt.",
    ],
)
def test_a_member_of_a_list_in_any_position(sentence):
    assert listed(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "It was like Ostel or [Tarn] then.",
        "In 1931, [Karlo Vint] sold the firm, the house and the boat to his sister.",
        "He was born in Lexington, [Kentucky], on 3 May 1921.",
        "Tragedy, comedy and [epic poetry] are imitations.",
        "With red, green, blue and grey paint he made [Night at Ostel] in a week of hard work.",
        "The band, including the singer Sal Morvis and the drummer [Karlo Vint], was young.",
        "He wrote novels, including [Night at Ostel], set in a town by the sea, and essays on many things.",
        "It has old towns, including [Tarn], the first capital of the whole empire.",
        "In [2009], ANSI and Tarn made it.",
        "During the [Renaissance], Tarn and Ostel foundations were restored.",
        "They were France, Spain, and the [Netherlands] which went on for long.",
        "他到过北京、[上海]，那里有高等学校。",
        "Karlo Vint and others came from [Ostel] to see it.",
        "There are towns such as Kalo, and in later years the [Tarn Bridge] was built near them.",
        "He was especially fond of [Ostel], where he was born.",
        "In the town of Kalo, in the east, [Karlo Vint] was born.",
        "Karlo Vint, a smith, came from [Ostel], where he had learnt it.",
    ],
)
def test_an_aside_a_pair_and_a_triple_are_not_lists(sentence):
    assert not listed(sentence)


@pytest.mark.parametrize(
    "between",
    [
        "",
        " ",
        " and ",
        ", ",
        ", and the ",
        " oder ",
        " or in ",
        " and of the ",
        "、",
        "和",
        "，以及",
        ", Ostel, and ",
        "、奥斯特尔和",
    ],
)
def test_two_answers_that_only_their_order_distinguishes_are_exchangeable(between):
    assert are_exchangeable(between)


@pytest.mark.parametrize(
    "between",
    [
        " who saw ",
        ", who ",
        " (",
        " to ",
        "来自",
        " and then ",
        ", Ostel, and then ",
        " and so ends the long day, and ",
    ],
)
def test_two_answers_that_a_word_distinguishes_are_not_exchangeable(between):
    assert not are_exchangeable(between)

"""Spans for which other answers would be as right."""

import pytest

from schemas.records import SpanKind
from tasks.corpus.sentences import sentences
from tasks.spans.vague import is_vague


def vague(kind: SpanKind, marked: str) -> bool:
    before, _, rest = marked.partition("[")
    surface, _, behind = rest.partition("]")
    text = before + surface + behind
    language = "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"
    around = [text[start:end] for start, end in sentences(text, language) if start <= len(before) < end]
    return is_vague(kind, surface, around[0], before, behind, language)


@pytest.mark.parametrize(
    ("kind", "marked"),
    [
        (SpanKind.DATE, "They came in the [13th century] there."),
        (SpanKind.DATE, "Aus dem [18. Jahrhundert] stammen sie."),
        (SpanKind.DATE, "它建于[13世纪]。"),
        (SpanKind.DATE, "The satellite will be launched in [2017] from here."),
        (SpanKind.NUMBER, "The house is expected to cost [$5 million] at least."),
        (SpanKind.NUMBER, "In Burma it is 80%–[89%] of all."),
        (SpanKind.NUMBER, "It costs [$5] to 16 billion a year."),
        (SpanKind.NUMBER, "It costs $5 to [16 billion] a year."),
        (SpanKind.TERM, "It is found in computers, [communications equipment], and other devices."),
        (SpanKind.ENTITY, "在那里有[莱比锡广场]和波茨坦门（Leipziger Platz und Potsdamer Tor）。"),
        (SpanKind.TERM, "那里是[温带]／湿润气候。"),
        (SpanKind.NUMBER, "地铁有[174]个车站。"),
        (SpanKind.NUMBER, "It has more than [12,500] members."),
        (SpanKind.NUMBER, "Es ist eine [100]%ige Tochter."),
        (SpanKind.DATE, "In the [16th to 17th centuries] it grew."),
        (SpanKind.DATE, "On 14 April, five days after the [9 April] surrender, he died."),
        (SpanKind.NUMBER, "Its density is 95 lbm/ft³ or [1520] kg/m³ there."),
        (SpanKind.NUMBER, "It is [0.0105] ft²/hr or 2.72 m²/s there."),
        (SpanKind.ENTITY, "Men came after [Actium] (Ἄκτιον) fell."),
        (SpanKind.ENTITY, "His name is [Alexicacus] (Alexikakos, literally averter) there."),
        (SpanKind.ENTITY, "That is of the [Greek] tradition."),
        (SpanKind.ENTITY, "He tells it in De Anima ([On the Soul]) first."),
        (SpanKind.ENTITY, "That was under [President] Karlo Vint then."),
        (SpanKind.ENTITY, "It is at 46° [East] there."),
        (SpanKind.ENTITY, "It came from [Iran] (Persia) then."),
        (SpanKind.NUMBER, "It was between [26%] and 29% there."),
        (SpanKind.NUMBER, "It was between 26% and [29%] there."),
        (SpanKind.DATE, "The ministry plans to cut it before [2020] by half."),
        (SpanKind.DATE, "Um [1700] war es so."),
        (SpanKind.DATE, "It was so until about [650 BCE] there."),
        (SpanKind.ENTITY, "It is told there ([IG] II² 1617) alone."),
        (SpanKind.DATE, "It is part of all of them (Vint, [1996]) there."),
        (SpanKind.DATE, "It is part of all of them (Vint and Morvis [1996]) there."),
        (SpanKind.DATE, "In den [1990er]- und 2000er-Jahren war es so."),
        (SpanKind.DATE, "They came in the [1980s] there."),
        (SpanKind.DATE, "They came in the [late 1980s] there."),
        (SpanKind.DATE, "Das war in den [1920er Jahren] so."),
        (SpanKind.DATE, "Das war in den [2010er-Jahren] so."),
        (SpanKind.DATE, "Die Flotte soll bis [2030] elektrisch fahren."),
        (SpanKind.DATE, "这是[2010年代]的事。"),
        (SpanKind.DATE, "On [9 September 2001] he died. Two days later, the attacks of September 11 came."),
    ],
)
def test_other_answers_would_be_as_right(kind, marked):
    assert vague(kind, marked)


@pytest.mark.parametrize(
    ("kind", "marked"),
    [
        (SpanKind.TERM, "The smallest is a frog from New Guinea ([Paedophryne amauensis]) that lives on the ground."),
        (SpanKind.ENTITY, "It went to the rival's ([Karlo Vint]) own state."),
        (SpanKind.ENTITY, "He is the [President] of the club."),
        (SpanKind.ENTITY, "It came from [Eastern Tarn] then."),
        (SpanKind.DATE, "In [2007] he founded a club that aims to help."),
        (SpanKind.DATE, "It was so around [1847] there."),
        (SpanKind.DATE, "In [1700] it was so."),
        (SpanKind.DATE, "He wrote it between 1943 and [1944] there."),
        (SpanKind.DATE, "It was forbidden there (Ostel did so in [1996]) for long."),
        (SpanKind.DATE, "On [9 September 2001] he died. Two days later his sons went. On September 12 they met."),
        (SpanKind.DATE, "In [2001] he died. Two days later, on 11 September, his sons met."),
        (SpanKind.DATE, "Er soll [1820] dort gestorben sein."),
        (SpanKind.DATE, "He will stay. They came in [1981] there."),
        (SpanKind.DATE, "He ruled from [1931] to 1940 there."),
        (SpanKind.DATE, "He ruled from 1931 to [1940] there."),
        (SpanKind.NUMBER, "In 1931 it had [12,500] people, 3 to 4 a house."),
        (SpanKind.NUMBER, "It has [12,500] people (2010 census) there."),
        (SpanKind.DATE, "He died in [1981], three years after the war."),
        (SpanKind.NUMBER, "In 1931 it had more than [12,500] members."),
        (SpanKind.NUMBER, "It is about [120] km from there."),
        (SpanKind.ENTITY, "There they met the [British], who left."),
        (SpanKind.TERM, "It is found by [photosynthesis], and at night."),
        (SpanKind.ENTITY, "[莱比锡广场]很大。"),
        (SpanKind.NUMBER, "1931年有[174]个车站。"),
    ],
)
def test_only_one_answer_is_right(kind, marked):
    assert not vague(kind, marked)

"""The spans that may be masked, and each rule that refuses a span."""

import pytest

from schemas.corpus_settings import PassageSettings
from schemas.records import Page, SpanKind
from tasks.corpus.passages import passages_of
from tasks.dumps.xml import Site
from tasks.spans.spans import Refusal, find_spans, judged_spans
from tasks.wikitext.cleaning import clean
from tasks.wikitext.wikis import wiki_of_site
from tests.tasks.ramp.examples import passage_of


def surfaces(wikitext, title="Elsewhere", aliases=None, language="en", mentions=None):
    passage = passage_of(wikitext, title)
    spans = find_spans(passage, aliases or {}, language, mentions or {})
    assert all(passage.text[span.start : span.end] == span.surface for span in spans)
    return [span.surface for span in spans]


def test_names_terms_dates_and_numbers_with_their_kinds_and_targets():
    wikitext = (
        "In 1931 [[Karlo Vint]] sold 12,500 [[steam engine|steam engines]] to [[Ostel (town)|Ostel]] "
        "on [[3 May]] for $4.5 million."
    )
    spans = find_spans(passage_of(wikitext), {}, "en")
    assert [(span.surface, span.kind, span.target) for span in spans] == [
        ("1931", SpanKind.DATE, None),
        ("Karlo Vint", SpanKind.ENTITY, "Karlo Vint"),
        ("12,500", SpanKind.NUMBER, None),
        ("steam engines", SpanKind.TERM, "steam engine"),
        ("Ostel", SpanKind.ENTITY, "Ostel (town)"),
        ("3 May", SpanKind.DATE, "3 May"),
        ("$4.5 million", SpanKind.NUMBER, None),
    ]


@pytest.mark.parametrize(
    ("wikitext", "language", "kind"),
    [
        ("Dort gab es [[Fahrradtaxi|Fahrradtaxi]] und Regen.", "de", SpanKind.TERM),
        ("It was of [[Ostel culture]] there.", "en", SpanKind.TERM),
        ("Dort war [[Karlo Vint]] und Regen.", "de", SpanKind.ENTITY),
        ("Er kam in den [[SDAX]] und blieb.", "de", SpanKind.ENTITY),
        ("他在那里看到[[奥斯特尔]]。", "zh", SpanKind.TERM),
        ("他在那里看到[[卡洛·文特]]。", "zh", SpanKind.ENTITY),
        ("他在那里写了《[[奥斯特尔]]》。", "zh", SpanKind.ENTITY),
    ],
)
def test_an_anchor_without_marks_of_a_name_is_a_term(wikitext, language, kind):
    (span,) = find_spans(passage_of(wikitext), {}, language)
    assert span.kind is kind


def test_the_longest_of_overlapping_candidates_is_a_span():
    assert surfaces("She won the [[1998 Ostel Games]] there.") == ["1998 Ostel Games"]
    assert surfaces("She won on [[3 May]] 1998 there.") == ["3 May 1998"]


@pytest.mark.parametrize(
    ("wikitext", "title"),
    [
        ("There [[Karlo Vint]] lived.", "Karlo Vint"),
        ("There [[Karlo Vint|K. Vint]] lived.", "Karlo Vint"),
        ("There [[Vint]] lived.", "Karlo Vint"),
        ("He made the [[Vint engine]] there.", "Karlo Vint (engineer)"),
        ("It began in 1998 there.", "1998 Ostel Games"),
        ("He came from [[Ostel]] then.", "Geography of Ostel"),
        ("他在[[北京]]学习。", "北京大学"),
    ],
)
def test_never_the_title_nor_a_part_of_it_nor_a_name_with_its_words(wikitext, title):
    assert surfaces(wikitext, title, language="zh" if "北" in title else "en") == []


def test_never_another_name_of_the_page():
    wikitext = "They call the [[United Kingdom|UK]] so."
    assert surfaces(wikitext, "Great Land", {"Great Land": ["UK"]}) == []
    assert surfaces(wikitext, "Great Land") == ["UK"]


@pytest.mark.parametrize(
    "wikitext",
    [
        "[[Ostel]] is old. People like ostel.",
        "[[Ostel]] is old. The Ostel Bank is new.",
        "[[Ostel]] is old, and an Ostel-born man rules.",
        "It rose in 1998, fell, and rose again after 1998, too.",
        "[[北京]]很大，北京人很多。",
    ],
)
def test_never_a_span_that_the_paragraph_repeats(wikitext):
    assert surfaces(wikitext, language="zh" if "北" in wikitext else "en") == []


def test_never_a_name_with_a_shorter_form_elsewhere():
    assert surfaces("[[Karlo Vint]] came. Later Vint left.") == []
    assert surfaces("The [[University of Ostel]] and the [[University of Brim]].") == [
        "University of Ostel",
        "University of Brim",
    ]


@pytest.mark.parametrize(
    "wikitext",
    [
        "It rises 1,023 metres (3,356 ft) above.",
        "It cost £100 million ($130 million) then.",
        "a 300-foot (91 m) mast",
    ],
)
def test_never_one_side_of_a_conversion(wikitext):
    assert surfaces(wikitext) == []


@pytest.mark.parametrize(
    ("wikitext", "language"),
    [("Er ist 1.023 Meter (3.356 Fuß) hoch.", "de"), ("海拔8848米（29029英尺）的山。", "zh")],
)
def test_never_one_side_of_a_conversion_in_other_languages(wikitext, language):
    assert surfaces(wikitext, language=language) == []


def test_never_one_of_a_list():
    assert surfaces("She saw [[Ostel]], [[Karn]], [[Vint Bay]], [[Lower Moor]] and [[Tarn]].") == []


def test_never_in_a_sentence_that_lost_something():
    assert surfaces("[[Ostel]] has {{?}} people. It began in 1931.") == ["1931"]
    assert surfaces("[[奥斯特尔]]有{{?}}人。它建于1931年。", language="zh") == ["1931年"]


def test_never_beside_removed_math_or_an_unknown_template_from_wikitext_to_spans():
    wikitext = (
        "The mass <math>m</math> is told by [[Karlo Vint]]. It cost {{inflation|US|5|1990}} in 1952. "
        "All was sold to [[Sal Morvis]] in 1931."
    )
    text = clean(wikitext, wiki_of_site(Site({0: ""}), "en"))
    page = Page(
        snapshot="enwiki-20260101",
        page_id=7,
        revision_id=70,
        title="Elsewhere",
        namespace=0,
        redirects=[],
        text=text.text,
        links=text.links,
        lost=text.lost,
        n_chars=len(text.text),
    )
    (passage,) = passages_of(page, PassageSettings())
    assert [span.surface for span in find_spans(passage, {}, "en")] == ["Sal Morvis", "1931"]


@pytest.mark.parametrize(
    "wikitext",
    [
        "a [[Sweden|Swedish]]-born king",
        "many [[German]]ic tribes",
        "the [[Paris]]–Rouen line",
        "room 12345b is closed",
    ],
)
def test_never_a_part_of_a_word(wikitext):
    assert surfaces(wikitext) == []


@pytest.mark.parametrize(
    "wikitext", ["They saw the 1998 World Cup.", "He flew a Boeing 747 home.", "He runs Windows 2000 there."]
)
def test_never_the_number_in_a_name(wikitext):
    assert surfaces(wikitext) == []


def test_never_the_date_at_which_the_text_was_written():
    assert surfaces("As of 2010 there were 118 of them.") == ["118"]


def test_a_year_behind_a_preposition_is_not_part_of_the_name_behind_it():
    assert surfaces("In 1998 Germany won.") == ["1998"]


@pytest.mark.parametrize(
    ("wikitext", "terms"),
    [
        ("It is a [[state]] there.", []),
        ("It needs [[photosynthesis]] there.", ["photosynthesis"]),
        ("It is [[political philosophy]] there.", ["political philosophy"]),
        ("He was [[Battle of Ostel|killed in battle]] there.", []),
        ("It met [[Karlo Vint|his brother]] there.", []),
    ],
)
def test_terms_have_a_name_of_their_page_and_are_not_common(wikitext, terms):
    assert surfaces(wikitext) == terms


def test_later_mentions_of_the_pages_links_are_masked_without_target():
    passage = passage_of("There Karlo Vint met Ostel Bank people and engineers.")
    spans = find_spans(
        passage,
        {},
        "en",
        {"Karlo Vint": ("Karlo Vint (baker)", "Vint"), "Ostel": ("Ostel",), "engineers": ("Engineer",)},
    )
    assert [(span.surface, span.target, span.pages) for span in spans] == [
        ("Karlo Vint", None, ("Karlo Vint (baker)", "Vint"))
    ]


@pytest.mark.parametrize(
    ("text", "language", "mention"),
    [("他在西门子施塔特工作。", "zh", "西门子"), ("Dort war die Welt noch gut.", "de", "Welt")],
)
def test_a_mention_that_may_be_another_word_is_not_masked(text, language, mention):
    assert surfaces(text, language=language, mentions={mention: (mention,)}) == []


@pytest.mark.parametrize(
    ("wikitext", "title"),
    [
        ("They speak [[Albanian]] there.", "Albania"),
        ("It follows [[Ampère's force law]] there.", "Ampere"),
        ("The [[Trans-Alaska Pipeline]] is there.", "Alaska"),
        ("A [[Greek]] met other Greeks.", "Elsewhere"),
        ("[[Diagnosis]] was hard there.", "Elsewhere"),
    ],
)
def test_never_a_word_with_another_form_elsewhere(wikitext, title):
    assert surfaces(wikitext, title) == []


def test_chinese_needs_no_spaces():
    wikitext = "[[卡洛·文特]]于1931年3月5日在[[奥斯特尔]]创办了公司，雇用了12,500名工人。"
    assert surfaces(wikitext, "公司史", language="zh") == ["卡洛·文特", "1931年3月5日", "奥斯特尔", "12,500"]


@pytest.mark.parametrize(
    ("wikitext", "found"),
    [
        ("Until [[Assassination of Abel Vint|his assassination in April 1865]] he ruled.", []),
        ("It is one of the [[List of towns|largest towns in the U.S. by area]] there.", []),
        ("He crossed [[Netherlands|the Netherlands]] there.", ["the Netherlands"]),
        ("He bought an [[iPhone]] there.", ["iPhone"]),
        ("He saw the [[3rd Ostel Games]] there.", ["3rd Ostel Games"]),
    ],
)
def test_a_name_begins_with_a_capital_or_is_a_name_of_its_page(wikitext, found):
    assert surfaces(wikitext) == found


@pytest.mark.parametrize(
    ("wikitext", "found"),
    [
        ("The [[National Institute for Night and Day]] (NIND) sits there.", []),
        ("The National Institute for Night and Day ([[NIND]]) sits there.", []),
        ("The [[recommended exposure limit]] (REL) is low.", []),
        ("The [[NIND]] sits near a national institute.", ["NIND"]),
    ],
)
def test_never_a_name_that_its_initials_reveal(wikitext, found):
    assert surfaces(wikitext) == found


@pytest.mark.parametrize(
    ("wikitext", "language"),
    [
        ("The [[legislative branch]] is one of three branches, the Ostel Legislature.", "en"),
        ("The king of [[Spain]] met the Spanish queen.", "en"),
        ("The [[IBM PC]] came late, as IBM PCs do.", "en"),
        ("It cost $50 million, and the city paid the 50 alone.", "en"),
        ("Artists of the 1980s, and of the 1990s, came.", "en"),
        ("Dort sind [[Gemeinden]] der Einheitsgemeinde Ostel.", "de"),
        ("Of 3,500 people 2,400 left, and so 1,100 stayed.", "en"),
        ('They call it "[[Ostel Bridge|"Ostel Bridge"]]" there.', "en"),
    ],
)
def test_never_a_span_that_other_words_reveal(wikitext, language):
    assert surfaces(wikitext, language=language) == []


def test_never_a_span_that_other_answers_would_fit_as_well():
    assert surfaces("They came in the 13th century, or will by 2099.") == []


@pytest.mark.parametrize(
    ("wikitext", "refusal"),
    [
        ('They met [[Karlo Vint|Karlo "Kay" Vint]] there.', Refusal.UNCLEAN),
        ("They met [[Swedish]]-born men there.", Refusal.CUT),
        ("They met [[Karlo Vint]] and Karlo Vint there.", Refusal.SEVERAL),
        ("They met [[Elsewhere Bank]] men there.", Refusal.TITLE),
        ("They met [[Karlo Vint]] {{?}} there.", Refusal.LOST),
        ("They met [[Karlo Vint]], Sal Morvis, Ida Brom and Arlen Kell there.", Refusal.LISTED),
        ("They met [[Karlo Vint]] there, and Vint again.", Refusal.SHORTER),
        ("They met a [[Greek]] there, of all Greeks.", Refusal.KIN),
        ("They met the [[Ostel Boat Works]] there, which is OBW.", Refusal.INITIALS),
        ("They met in [[Spain]] there, with Spanish men.", Refusal.OTHER_WORDS),
        ("They met in the [[17th century]] there.", Refusal.VAGUE),
        ("They met the [[state]] there.", Refusal.NOT_ASKED),
        ("They met [[Karlo Vint]] there.", None),
    ],
)
def test_a_span_is_refused_for_the_first_rule_that_it_breaks(wikitext, refusal):
    passage = passage_of(wikitext)
    judged = {span.start: why for span, why in judged_spans(passage, {}, "en")}
    assert judged[passage.links[0].start] is refusal

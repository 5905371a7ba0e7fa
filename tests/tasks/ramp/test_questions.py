"""Passages to questions: fit paragraphs, numbers of masks, and the content of a question."""

from collections import Counter

import pytest
from pydantic import ValidationError

from schemas.corpus_settings import RampSettings, ReferenceSettings
from schemas.records import Question, Reject, SpanKind, Split, Surprisal
from tasks.ramp.questions import SpanFacts, Unfit, questions_of, questions_of_pages
from tasks.ramp.splits import Splits, is_held_out
from tasks.spans.proposals import Named, proposals_of
from tests.tasks.ramp.examples import passage_of

SETTINGS = RampSettings(min_words=5, max_words=60, masks_per_paragraph=4)
SPLITS = Splits({7: Split.DEV, 8: Split.DEV}, 0)
GOOD = (
    "Around here [[Karlo Vint]] sold 12,500 boats to [[Ostel (town)|Ostel]]. "
    "It was on 3 May 1931, before [[Brim and Sons]] came."
)


def rows_of(wikitext, settings=SETTINGS, aliases=None, title="Elsewhere"):
    return list(questions_of(passage_of(wikitext, title), aliases or {}, SPLITS, settings, "en"))


def test_one_question_for_each_number_of_masks_with_everything_in_place():
    questions = rows_of(GOOD, aliases={"Ostel (town)": ["Ostelle", "Old Ostel (town)"], "Karlo Vint": ["karlo vint"]})
    assert [question.question_id for question in questions] == ["7-0-m1", "7-0-m2", "7-0-m3", "7-0-m4"]
    for question in questions:
        assert question.masked_text.count("[mask]") == question.n_masks == len(question.masks) == len(question.gold)
        assert question.prompt == f"Elsewhere\n{question.masked_text}"
        assert question.gold == [mask.surface for mask in question.masks]
        assert question.aliases == [mask.aliases for mask in question.masks]
        filled = question.masked_text
        for surface in question.gold:
            filled = filled.replace("[mask]", surface, 1)
        assert filled == question.text
        assert (question.split, question.source, question.strategy, question.hops) == (Split.DEV, "ramp", "random", 0)
    every = {mask.surface: mask for question in questions for mask in question.masks}
    if "Ostel" in every:
        assert every["Ostel"].aliases == ["Ostelle", "Old Ostel"]
    if "Karlo Vint" in every:
        assert every["Karlo Vint"].aliases == []


def test_names_of_the_target_are_not_answers_if_the_anchor_is_not_one_of_them():
    wikitext = "There they met the [[United Kingdom|British]]. It was long ago and far away."
    (question,) = rows_of(wikitext, aliases={"United Kingdom": ["UK", "Great Britain"]})
    assert question.gold == ["British"]
    assert question.aliases == [[]]


def test_the_title_can_be_left_out_of_the_prompt():
    settings = SETTINGS.model_copy(update={"show_title": False})
    assert all(question.prompt == question.masked_text for question in rows_of(GOOD, settings))


@pytest.mark.parametrize(
    ("wikitext", "reason"),
    [
        ("[[Ostel]] grew. It did.", Unfit.TOO_SHORT),
        (GOOD * 5, Unfit.TOO_LONG),
        (GOOD[:-1] + ":", Unfit.NO_FULL_STOP),
        ("It was on 3 May 1931, before [[Brim and Sons]] came.", Unfit.FEW_SENTENCES),
        (GOOD + " It says [mask].", Unfit.HOLDS_TAGS),
        (GOOD + " It says </answer>.", Unfit.HOLDS_TAGS),
        ("There is nothing to ask for here. There really is not.", Unfit.FEW_SPANS),
    ],
)
def test_an_unfit_paragraph_is_rejected_with_its_reason(wikitext, reason):
    (row,) = rows_of(wikitext)
    assert isinstance(row, Reject)
    assert (row.row_id, row.reason, row.failed) == ("7-0", reason, False)


def test_a_paragraph_gets_only_numbers_of_masks_that_fit():
    few = "Around here [[Karlo Vint]] sold boats. It was on 3 May 1931, before they came."
    assert [row.n_masks for row in rows_of(few)] == [1, 2]
    (row,) = rows_of(few, SETTINGS.model_copy(update={"masks": [3, 4]}))
    assert row.reason == Unfit.FEW_SPANS


def test_numbers_of_masks_come_out_about_equally_often():
    settings = SETTINGS.model_copy(update={"masks_per_paragraph": 1})
    drawn = Counter(
        row.n_masks
        for ordinal in range(600)
        for row in questions_of(passage_of(GOOD, ordinal=ordinal), {}, SPLITS, settings, "en")
    )
    assert all(count / 600 == pytest.approx(0.25, abs=0.05) for count in drawn.values())
    assert set(drawn) == {1, 2, 3, 4}


def test_questions_do_not_depend_on_other_numbers_of_masks():
    first, second = passage_of(GOOD, page_id=7), passage_of(GOOD, page_id=8)
    settings = SETTINGS.model_copy(update={"masks_per_paragraph": 2})
    together = list(questions_of_pages([first, second], {}, SPLITS, settings, "en"))
    alone = list(questions_of_pages([second], {}, SPLITS, settings, "en"))
    assert together[-len(alone) :] == alone
    other_seed = settings.model_copy(update={"seed": 2})
    assert together != list(questions_of_pages([first, second], {}, SPLITS, other_seed, "en"))


def test_a_name_linked_elsewhere_on_the_page_is_masked_without_target():
    opening = passage_of("Here [[Karlo Vint]] was born.", ordinal=0)
    later = passage_of("Many years on there was Karlo Vint again. Nobody knew why he came.", ordinal=1)
    rows = list(questions_of_pages([opening, later], {}, SPLITS, SETTINGS, "en"))
    (question,) = [row for row in rows if isinstance(row, Question)]
    assert [(mask.surface, mask.target) for mask in question.masks] == [("Karlo Vint", None)]


HELD_OUT = Splits(None, 0.02)
SECRET = next(title for n in range(1000) if is_held_out(title := f"Town {n}", 0.02))
LATER = "Many years on there was Karlo Vint again. Nobody knew why he came."


@pytest.mark.parametrize("target", [SECRET, "Secret town"])
def test_a_later_mention_of_a_link_to_a_held_out_page_is_held_out(target):
    assert not is_held_out("Elsewhere", 0.02) and not is_held_out("Secret town", 0.02)
    page = [passage_of(f"Here [[{target}|Karlo Vint]] was born.", ordinal=0), passage_of(LATER, ordinal=1)]
    rows = questions_of_pages(page, {SECRET: ["Secret town"]}, HELD_OUT, SETTINGS, "en")
    (question,) = [row for row in rows if isinstance(row, Question)]
    assert [(mask.surface, mask.target) for mask in question.masks] == [("Karlo Vint", None)]
    assert question.split == Split.TEST


def test_a_proposed_span_is_held_out_with_any_page_that_it_may_be_about():
    page = [passage_of(f"Here [[{SECRET}|Karlo Vint]] was born.", ordinal=0), passage_of(LATER, ordinal=1)]
    proposals = {"7-1": proposals_of(page[1], [Named("Karlo Vint", SpanKind.ENTITY)])}
    rows = questions_of_pages(page, {}, HELD_OUT, SETTINGS, "en", SpanFacts(proposals=proposals))
    assert [row.split for row in rows if isinstance(row, Question)] == [Split.TEST]
    both = passage_of(f"Many years on there was [[Karlo]] [[{SECRET}|Vint]] again. Nobody knew why he came.")
    proposals = {"7-0": proposals_of(both, [Named("Karlo Vint", SpanKind.ENTITY)])}
    (question,) = questions_of_pages([both], {}, HELD_OUT, SETTINGS, "en", SpanFacts(proposals=proposals))
    assert (question.masks[0].target, question.split) == ("Karlo", Split.TEST)


def test_a_link_to_a_redirect_is_held_out_and_named_as_its_target():
    names = {SECRET: ["Secret town", "The Secret Town", "Old Secret"]}
    text = "Many years on they came to [[The Secret Town]] again. Nobody knew [[Secret town|their reasons]]."
    (question,) = questions_of_pages([passage_of(text)], names, HELD_OUT, SETTINGS, "en")
    (mask,) = question.masks
    assert (mask.surface, mask.target, question.split) == ("The Secret Town", SECRET, Split.TEST)
    assert mask.aliases == [SECRET, "Secret town", "Old Secret"]


def test_a_link_of_a_page_to_itself_by_a_redirect_is_not_masked():
    text = "Many years on [[The Old Lady|Karlo Vint]] came again. Nobody knew why."
    (row,) = questions_of_pages([passage_of(text)], {"Elsewhere": ["The Old Lady"]}, SPLITS, SETTINGS, "en")
    assert row.reason == Unfit.FEW_SPANS


REFERENCE = {"reference": ReferenceSettings(path="a-model")}
NATS = {"Karlo Vint": 3.0, "12,500": 8.0, "Ostel": 1.0, "3 May 1931": 9.0, "Brim and Sons": 2.0}


def weights(text, nats=NATS, known=()):
    """The results of a stub of the reference model for the spans of a text."""
    return [
        Surprisal(
            snapshot="testwiki-20260101",
            passage_id="7-0",
            start=text.index(surface),
            end=text.index(surface) + len(surface),
            surface=surface,
            nats=value,
            n_tokens=2,
            known=surface in known,
        )
        for surface, value in nats.items()
        if surface in text
    ]


def weighed_rows(settings, known=(), nats=NATS, ordinal=0):
    passage = passage_of(GOOD, ordinal=ordinal)
    found = {passage.passage_id: weights(passage.text, nats, known)}
    return list(questions_of(passage, {}, SPLITS, settings, "en", facts=SpanFacts(surprisals=found)))


def test_perplexity_masks_the_hardest_spans_and_the_difficulty_is_their_mean_surprisal():
    settings = SETTINGS.model_copy(update={"strategy": "perplexity", **REFERENCE})
    rows = weighed_rows(settings)
    assert [sorted(row.gold) for row in rows] == [
        ["3 May 1931"],
        ["12,500", "3 May 1931"],
        ["12,500", "3 May 1931", "Karlo Vint"],
        ["12,500", "3 May 1931", "Brim and Sons", "Karlo Vint"],
    ]
    assert [row.difficulty for row in rows] == pytest.approx([9.0, 8.5, 20 / 3, 5.5])
    assert {row.strategy for row in rows} == {"perplexity"}


def test_a_randomly_drawn_mask_has_a_difficulty_and_a_flag_if_the_reference_knows_it():
    settings = SETTINGS.model_copy(update=REFERENCE)
    rows = weighed_rows(settings, known=["Ostel"])
    assert rows == [
        question.model_copy(update={"masks": row.masks, "difficulty": row.difficulty})
        for question, row in zip(rows_of(GOOD), rows, strict=True)
    ]
    for row in rows:
        assert row.difficulty == pytest.approx(sum(NATS[gold] for gold in row.gold) / row.n_masks)
        for mask in row.masks:
            assert mask.given_away == (["reference"] if mask.surface == "Ostel" else [])


def test_without_a_reference_there_is_no_difficulty():
    assert {row.difficulty for row in rows_of(GOOD)} == {None}
    assert {mask.surprisal for row in rows_of(GOOD) for mask in row.masks} == {None}


def test_mixed_masks_a_share_of_the_paragraphs_by_perplexity_and_the_others_as_random_does():
    update = {"strategy": "mixed", "perplexity_share": 0.25, "masks": [1], **REFERENCE}
    mixed = SETTINGS.model_copy(update=update)
    rows = [row for ordinal in range(400) for row in weighed_rows(mixed, ordinal=ordinal)]
    hard = [row for row in rows if row.strategy == "perplexity"]
    assert len(hard) / len(rows) == pytest.approx(0.25, abs=0.06)
    assert all(row.gold == ["3 May 1931"] for row in hard)
    drawn = next(row for row in rows if row.strategy == "random")
    ordinal = int(drawn.passage_id.removeprefix("7-"))
    assert weighed_rows(mixed.model_copy(update={"strategy": "random"}), ordinal=ordinal) == [drawn]


def test_a_paragraph_that_the_reference_cannot_read_is_rejected_under_perplexity():
    settings = SETTINGS.model_copy(update={"strategy": "perplexity", **REFERENCE})
    (row,) = weighed_rows(settings, nats={})
    assert row.reason == Unfit.NOT_WEIGHED


def test_a_strategy_that_needs_a_reference_is_refused_without_one():
    with pytest.raises(ValidationError, match=r"strategy perplexity needs ramp\.reference\.path"):
        RampSettings(strategy="perplexity")

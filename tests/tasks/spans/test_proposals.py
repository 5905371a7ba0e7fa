"""Spans that models name: located or refused, and then under the same rules as links."""

import sys
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from schemas.corpus_settings import LinkSpans, RampSettings, SpacySpans
from schemas.errors import BadInput
from schemas.records import Question, SpanKind, Split
from tasks.ramp.questions import SpanFacts, questions_of
from tasks.ramp.splits import Splits
from tasks.spans.proposals import Named, Refusal, none_named, proposals_of
from tasks.spans.spacy_backend import SpacyBackend, pipeline_of
from tasks.spans.spans import find_spans
from tests.tasks.ramp.examples import passage_of

TEXT = "In 1931 [[Karlo Vint]] and the Vint Bank of Ostel sold 12,500 boats to Swedish-born men of Ostel."


def test_a_named_span_is_located_whole_and_once_or_refused_with_its_reason():
    passage = passage_of(TEXT)
    surfaces = ["12,500", "Karlo Vint", "Ostel", "Sweden", "Swedish", "", "500", "Karlo Vint"]
    found = proposals_of(passage, [Named(surface, SpanKind.ENTITY) for surface in surfaces])
    assert [span.surface for span in found.spans] == ["Karlo Vint", "12,500"]
    assert all(passage.text[span.start : span.end] == span.surface for span in found.spans)
    assert {span.surface: span.reason for span in found.refused} == {
        "Ostel": "several",
        "Sweden": "not_there",
        "": "not_there",
        "Swedish": "not_whole",
        "500": "not_whole",
    }


def test_what_is_proposed_has_to_pass_the_same_rules_and_keeps_the_target_of_a_link_it_meets():
    passage = passage_of(TEXT, title="Bank holidays")
    named = [Named("Karlo Vint", SpanKind.ENTITY), Named("Vint Bank of Ostel", SpanKind.ENTITY)]
    spans = find_spans(passage, {}, "en", proposed=proposals_of(passage, named))
    assert [(span.surface, span.target) for span in spans] == [("Karlo Vint", "Karlo Vint")], "the title has a bank"


def test_terms_need_no_link():
    passage = passage_of("They used an early steam engine here, with much care and luck.")
    named = [Named(surface, SpanKind.TERM) for surface in ("steam engine", "care", "here, with")]
    spans = find_spans(passage, {}, "en", proposed=proposals_of(passage, named))
    assert [span.surface for span in spans] == ["steam engine"]


def test_questions_are_asked_about_what_was_proposed_and_nothing_else():
    passage = passage_of("Here [[Karlo Vint]] was in 1931. It was the year of Sal Morvis.")
    settings = RampSettings(min_words=3, masks=[1, 2], masks_per_paragraph=2)
    splits = Splits({7: Split.DEV}, 0)

    def gold(proposals):
        rows = questions_of(passage, {}, splits, settings, "en", facts=SpanFacts(proposals=proposals))
        return [row.gold if isinstance(row, Question) else row.reason for row in rows]

    assert gold({passage.passage_id: proposals_of(passage, [Named("Sal Morvis", SpanKind.ENTITY)])}) == [["Sal Morvis"]]
    assert gold({passage.passage_id: none_named(passage, Refusal.UNREADABLE)}) == ["few_spans"]
    assert gold({}) == ["few_spans"]


class _Pipeline:
    """A pipeline as spaCy's are: texts with context go in, documents with entities come out."""

    def pipe(self, told, as_tuples):
        assert as_tuples
        labels = {"Karlo Vint": "PERSON", "1931": "DATE", "12,500": "CARDINAL", "Third": "ORDINAL"}
        for text, context in told:
            entities = [SimpleNamespace(text=word, label_=label) for word, label in labels.items() if word in text]
            yield SimpleNamespace(ents=entities), context


@pytest.fixture
def spacy(monkeypatch):
    def load(name):
        if name != "tiny":
            raise OSError("no such package")
        return _Pipeline()

    pipeline_of.cache_clear()
    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(load=load))
    yield
    pipeline_of.cache_clear()


def test_the_entities_of_a_pipeline_are_proposed(spacy):
    backend, passage = (
        SpacyBackend(SpacySpans(model="tiny"), "en"),
        passage_of("Third, in 1931 Karlo Vint sold 12,500 boats."),
    )
    (found,) = backend.proposals([passage])
    assert [(span.surface, span.kind) for span in found.spans] == [
        ("1931", "date"),
        ("Karlo Vint", "entity"),
        ("12,500", "number"),
    ]


def test_a_pipeline_that_is_not_there_is_one_clear_line(spacy, monkeypatch):
    with pytest.raises(BadInput, match="knows no such pipeline"):
        list(SpacyBackend(SpacySpans(model="huge"), "en").proposals([]))
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(BadInput, match="spaCy is not installed"):
        list(SpacyBackend(SpacySpans(model="tiny"), "en").proposals([]))


def test_settings_that_would_not_be_read_or_are_missing_are_refused():
    with pytest.raises(ValidationError, match="model\n  Field required"):
        SpacySpans()
    with pytest.raises(ValidationError, match="model\n  Extra inputs"):
        LinkSpans(model="clever")

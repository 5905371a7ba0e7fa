"""Evidence: found if possible, by searches that use only visible text."""

import pytest

from retrieval_index.hits import SearchFailed
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings, RampSettings
from schemas.records import Question, Split
from schemas.settings import AgentSettings
from tasks.ramp.evidence import certify
from tasks.ramp.questions import questions_of, with_proven_terms
from tasks.ramp.splits import Splits
from tests.tasks.ramp.examples import WordSearcher, assert_honest, passage_of

SETTINGS = RampSettings(min_words=3, min_sentences=1, show_title=False, masks_per_paragraph=4)
AGENT = AgentSettings(hits=2, hold_back="page")


WORLD = [
    ("1-0", "Vint Works", "Vint Works is a maker of boats founded by Karlo Brim in 1931. It is based in Ostel."),
    ("2-0", "Karlo Brim", "Karlo Brim (born 3 May 1898) was a baker from Dunzy and a pupil of Sal Morvis."),
    ("3-0", "Ostel", "Ostel is a town founded in 1780. It has 4,512 residents."),
    ("4-0", "Dunzy", "Dunzy is a town under Korlas."),
    ("5-0", "Sal Morvis", "Sal Morvis was a mason from Korlas."),
]


def question_of(wikitext: str, masked: list[str], title: str = "Chronicle 9") -> Question:
    """A question about a paragraph with exactly these surfaces masked."""
    passage = passage_of(wikitext, title)
    settings = SETTINGS.model_copy(update={"masks": [len(masked)], "max_masked_share": 1.0})
    for seed in range(500):
        settings = settings.model_copy(update={"seed": seed})
        for row in questions_of(passage, {}, Splits({7: Split.TRAIN}, 0), settings, "en"):
            if isinstance(row, Question) and row.gold == masked:
                return row
    raise AssertionError(f"{masked} are not masked together in {passage.text!r}")


def certified(question, passages=WORLD, settings=SETTINGS, agent=AGENT) -> Question:
    own = (question.passage_id, question.title, question.text)
    (done,) = certify([question], WordSearcher([*passages, own]), settings, agent)
    return done


def queries_of(question: Question) -> list[list[str] | None]:
    return [mask.evidence.queries if mask.evidence else None for mask in question.masks]


def test_a_name_of_the_same_sentence_leads_to_the_passage_that_holds_the_value():
    done = certified(question_of("Vint Works was set up by [[Karlo Brim]].", ["Karlo Brim"]))
    (mask,) = done.masks
    assert (mask.evidence.passage_id, mask.evidence.hops, mask.evidence.rank) == ("1-0", 1, 0)
    assert mask.evidence.queries == ["Vint Works"]
    assert done.hops == 1


def test_a_value_found_leads_on_to_the_next_mask():
    text = "Vint Works was set up by [[Karlo Brim]], who first saw light on 3 May 1898."
    done = certified(question_of(text, ["Karlo Brim", "3 May 1898"]))
    assert queries_of(done) == [["Vint Works"], ["Vint Works", "Karlo Brim"]]
    assert done.hops == 2


def test_the_antecedent_is_searched_before_the_subject():
    text = "Vint Works has its seat in Ostel, which dates back to 1780."
    assert queries_of(certified(question_of(text, ["1780"]))) == [["Ostel"]]


def test_a_name_that_only_a_found_passage_holds_leads_on():
    text = "Vint Works was set up by somebody from [[Dunzy]]."
    assert queries_of(certified(question_of(text, ["Dunzy"]))) == [["Vint Works", "Karlo Brim"]]


def test_no_more_hops_than_the_settings_allow():
    text = "Vint Works was set up by somebody from [[Dunzy]]."
    question = question_of(text, ["Dunzy"])
    assert queries_of(certified(question, settings=SETTINGS.model_copy(update={"evidence_hops": 1}))) == [None]


@pytest.mark.parametrize(
    ("masked", "passage", "is_proof"),
    [
        ("the Rio", "Vint Works was sold at Rio some years before 1931.", True),
        ("the Rio", "Vint Works was sold at sea some years before 1931.", False),
        ("Serie A", "Vint Works was sold at Serie B some years before 1931.", False),
        ("Serie A", "Vint Works was sold at Serie A some years before 1931.", True),
        ("The Who", "Vint Works was sold by a man who was there some years before 1931.", False),
    ],
)
def test_a_value_is_proven_with_or_without_an_article_in_front_and_by_no_other_article(masked, passage, is_proof):
    question = question_of(f"Vint Works was sold some years later at [[{masked}]].", [masked])
    (queries,) = queries_of(certified(question, [("1-0", "Vint Works", passage)]))
    assert (queries is not None) is is_proof


def test_a_pronoun_is_looked_up_in_the_sentence_before():
    text = "Few remember Vint Works today. It was set up by [[Karlo Brim]]."
    assert queries_of(certified(question_of(text, ["Karlo Brim"]))) == [["Vint Works"]]


def test_an_alias_proves_and_is_searched_for_in_the_form_that_was_shown():
    text = "Vint Works was set up by [[Charles Brim]], who came from [[Dunzy]]."
    question = question_of(text, ["Charles Brim", "Dunzy"])
    first, second = question.masks
    named = question.model_copy(update={"masks": [first.model_copy(update={"aliases": ["Karlo Brim"]}), second]})
    assert queries_of(certified(named)) == [["Vint Works"], ["Vint Works", "Karlo Brim"]]


def test_the_source_passage_is_not_evidence():
    text = "Zorn Hall was opened for a great fair on 4 June 1950."
    question = question_of(text, ["4 June 1950"])
    assert queries_of(certified(question)) == [None]
    copy = ("7-5", "Chronicle 9", text)
    assert queries_of(certified(question, [*WORLD, copy])) == [None]
    elsewhere = certified(question, [*WORLD, copy], agent=AGENT.model_copy(update={"hold_back": "passage"}))
    assert elsewhere.masks[0].evidence.passage_id == "7-5"


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("Zorn Hall saw a great fair, and the hall was opened in 1950.", True),
        ("Zorn Hall is tall. In the far north a war ended in 1950.", False),
        ("In 1950 somebody saw Zorn Hall burn.", False),
        ("The hall of Mr Zorn was opened in 1950 by the mayor.", False),
    ],
)
def test_a_common_year_proves_nothing_unless_the_passage_is_about_the_same_fact(text, proves):
    question = question_of("The hall known as Zorn Hall was opened in 1950 for a fair.", ["1950"])
    done = certified(question, [("20-3", "A long history", text)])
    assert (done.masks[0].evidence is not None) is proves


@pytest.mark.parametrize(
    ("sentence", "proves"),
    [
        ("It was opened by the mayor in 1950.", True),
        ("An old fair left the town for good with the flood of 1950.", False),
        ("An old fair left with the boats in a flood, and the mayor went away for good in 1950.", True),
    ],
    ids=["a word beside it", "a word far from it", "two words"],
)
def test_a_long_opening_must_be_about_the_same_fact(sentence, proves):
    text = "The hall known as Zorn Hall draws people to a fair with boats, bread and salt, and was opened in 1950."
    opening = f"Zorn Hall is a hall in the town. {sentence} " + "It has a tower and a garden, both of them grey. " * 8
    done = certified(question_of(text, ["1950"]), [("20-0", "Zorn Hall", opening)])
    assert (done.masks[0].evidence is not None) is proves


@pytest.mark.parametrize(
    ("sentence", "proves"),
    [
        ("Near Ostel, Zorn Hall and its great fair draw people from Mavia.", True),
        ("Near Tovi, the hall of Ostel and its great fair draw people from Mavia.", False),
    ],
)
def test_a_passage_of_a_third_page_must_name_the_subject_of_the_sentence(sentence, proves):
    text = "Zorn Hall near Ostel has a great fair, to which people come from [[Mavia]]."
    by_pronoun = "Zorn Hall is a hall. It is old. It has a great fair near Ostel, to which people come from [[Mavia]]."
    for asked in (text, by_pronoun):
        question = question_of(asked, ["Mavia"]).model_copy(update={"title": "Zorn Hall"})
        done = certified(question, [("20-3", "A long history", sentence)])
        assert (done.masks[0].evidence is not None) is proves


@pytest.mark.parametrize(
    ("sentence", "proves"),
    [
        ("At the great fair of 1950, Zorn Hall was opened by somebody from Mavia.", True),
        ("At the great fair of 1948–50, Zorn Hall was opened by somebody from Mavia.", True),
        ("At the great fair of 1931, Zorn Hall was opened by somebody from Mavia.", False),
        ("At the great fair, Zorn Hall was opened by somebody from Mavia.", True),
    ],
)
def test_sentences_with_different_years_are_about_different_times(sentence, proves):
    text = "Zorn Hall was opened in 1950 for a great fair by somebody from [[Mavia]]."
    done = certified(question_of(text, ["Mavia"]), [("20-3", "A long history", sentence)])
    assert (done.masks[0].evidence is not None) is proves


LONG = (
    "Zorn Hall, whose tall grey tower, old wooden bridge, quiet stables and long garden draw painters and walkers "
    "out of distant villages in summer, was opened in 1950 for a great fair."
)


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("A tower stood by Zorn Hall in 1950, when bread, wool, salt, iron, corn and summer fruit were dear.", False),
        (
            "Zorn Hall kept tower, bridge, stables and garden in 1950, when bread, wool, salt, iron, corn, fish, meat, "
            "milk, wine, cloth, paper and fruit were dear.",
            True,
        ),
        ("Zorn Hall had a tall tower in 1950.", True),
    ],
    ids=["two of many words", "four of many words", "two of few words"],
)
def test_long_sentences_share_two_words_by_chance(text, proves):
    done = certified(question_of(LONG, ["1950"]), [("20-3", "A long history", text)])
    assert (done.masks[0].evidence is not None) is proves


def test_digits_of_an_amount_do_not_count_as_shared_words():
    question = question_of("After that, enlistments from [[Dunzy]] and Korlas rose by 40,000 soldiers.", ["Dunzy"])
    elsewhere = ("20-3", "Somebody", "Sal had 40,000 paid men throughout Korlas, Dunzy and Ostel.")
    assert queries_of(certified(question, [elsewhere])) == [None]


def test_few_digits_prove_only_with_what_they_count():
    question = question_of("Zorn Hall is some 40 km away.", ["40"])
    assert queries_of(certified(question, [("20-0", "Zorn Hall", "Zorn Hall has 40 rooms.")])) == [None]
    assert queries_of(certified(question, [("20-0", "Zorn Hall", "Zorn Hall lies 40 km off.")])) == [["Zorn Hall"]]


def test_a_found_year_is_not_a_query():
    question = question_of("Vint Works opened in 1931 and was sold to [[Nobody Known]].", ["1931", "Nobody Known"])
    searcher = WordSearcher(WORLD)
    certify([question], searcher, SETTINGS, AGENT)
    assert "Vint Works" in [query.text for query in searcher.asked]
    assert "1931" not in [query.text for query in searcher.asked]


def test_a_hit_that_the_agent_would_not_see_is_evidence_but_not_a_lead():
    text = "Vint Works was set up by [[Karlo Brim]], who first saw light on 3 May 1898."
    distractors = [(f"0-{n}", f"Vint Works {n}", "Vint Works is a name of Vint Works.") for n in range(3)]
    done = certified(question_of(text, ["Karlo Brim", "3 May 1898"]), [*distractors, *WORLD])
    assert [mask.evidence and mask.evidence.rank for mask in done.masks] == [3, None]


def test_equal_queries_are_searched_once_and_the_order_of_questions_does_not_matter():
    one = question_of("Vint Works was set up by [[Karlo Brim]].", ["Karlo Brim"])
    other = question_of("Vint Works opened in 1931 with a fair.", ["1931"])
    searcher = WordSearcher(WORLD)
    done = certify([one, other], searcher, SETTINGS, AGENT)
    assert [query.text for query in searcher.asked].count("Vint Works") == 1
    assert certify([other, one], WordSearcher(WORLD), SETTINGS, AGENT) == done[::-1]


def test_no_more_queries_than_the_settings_allow():
    names = " ".join(f"Then Alpha{n} Beta{n} met Gamma{n}." for n in range(9))
    question = question_of(f"{names} It was founded by [[Nobody Known]].", ["Nobody Known"])
    searcher = WordSearcher(WORLD)
    certify([question], searcher, SETTINGS.model_copy(update={"max_queries_per_mask": 5}), AGENT)
    assert len(searcher.asked) == 5


def test_a_failed_search_is_not_an_empty_result():
    class Broken:
        def search(self, queries, k):
            raise SearchFailed("gone")

    with pytest.raises(SearchFailed):
        certify([question_of("Vint Works was set up by [[Karlo Brim]].", ["Karlo Brim"])], Broken(), SETTINGS, AGENT)


def test_chinese_paragraphs_are_searched_by_their_title():
    passage = passage_of("该公司由[[卡洛·文特]]创办。总部设在[[奥斯特尔]]，雇用12,500名工人。", title="文氏船厂")
    settings = SETTINGS.model_copy(update={"show_title": True, "masks": [1], "min_words": 1})
    (question,) = questions_of(passage, {}, Splits({7: Split.TRAIN}, 0), settings, "zh")
    entry = ("30-0", "文氏船厂", f"文氏船厂：{passage.text}")
    (done,) = certify([question], WordSearcher([entry]), settings, AGENT)
    assert done.masks[0].evidence is None or done.masks[0].evidence.queries[0].startswith("文氏船厂")


@pytest.mark.parametrize(
    ("wikitext", "masked"),
    [
        ("Vint Works was set up by [[Karlo Brim]], who came from [[Dunzy]].", ["Karlo Brim", "Dunzy"]),
        ("Vint Works has its seat in [[Ostel]], which dates back to 1780.", ["Ostel", "1780"]),
        ("Vint Works was set up by somebody taught by [[Sal Morvis]].", ["Sal Morvis"]),
    ],
)
def test_queries_use_only_visible_words_and_lead_to_the_value(wikitext, masked):
    searcher = WordSearcher(WORLD)
    (done,) = certify([question_of(wikitext, masked)], searcher, SETTINGS, AGENT)
    assert all(mask.evidence for mask in done.masks)
    assert_honest(done, searcher, AGENT)


def test_a_term_is_masked_only_with_proof_and_a_name_in_any_case():
    text = "Ostel Light was driven by [[steam turbine|steam turbines]] somewhere, says [[Karlo Brim]] of it."
    passages = [("1-0", "Ostel Light", "Ostel Light was driven by steam turbines for many years.")]
    term, name = question_of(text, ["steam turbines"]), question_of(text, ["Karlo Brim"])
    proven, (unproven, named) = [certified(term, passages)], (certified(row, []) for row in (term, name))
    assert list(with_proven_terms([*proven, named])) == [*proven, named]
    (reject,) = with_proven_terms([unproven])
    assert (reject.reason, reject.row_id, reject.detail) == ("unproven_term", term.question_id, "steam turbines")
    assert not reject.failed


def test_the_same_paragraph_on_another_page_is_not_evidence(tmp_path):
    """The index holds it back together with the question's own passage."""
    question = question_of("Vint Works was set up by [[Karlo Brim]].", ["Karlo Brim"])
    own = (question.passage_id, question.title, question.text)
    copy = ("9-0", "Vint Works", f"  {question.text} ")
    build_index([copy], str(tmp_path / "alone"), IndexSettings())
    (found,) = certify([question], open_index(str(tmp_path / "alone")), SETTINGS, AGENT)
    assert found.masks[0].evidence.passage_id == "9-0", "it holds the value"
    build_index([own, copy], str(tmp_path / "copies"), IndexSettings())
    (found,) = certify([question], open_index(str(tmp_path / "copies")), SETTINGS, AGENT)
    assert found.masks[0].evidence is None
    build_index([own, copy, WORLD[0]], str(tmp_path / "world"), IndexSettings())
    (found,) = certify([question], open_index(str(tmp_path / "world")), SETTINGS, AGENT)
    assert found.masks[0].evidence.passage_id == "1-0"

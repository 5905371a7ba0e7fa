"""Documents for language modelling: laid along links, a function of their number."""

from pathlib import Path

import pytest

from schemas.records import Link, Passage
from schemas.training_settings import LanguageModellingSettings, OptimiserSettings
from tasks.agent.tokenizer import AgentTokenizer, adopt_tokenizer
from tests.support import published_tokenizers
from trainers.supervised.documents import DocumentCourse, LinkedDocuments


def _passage(number: int, title: str, text: str, *targets: str) -> Passage:
    links = [Link(start=text.index(t), end=text.index(t) + len(t), target=t, anchor=t) for t in targets]
    return Passage(
        snapshot="smallworld-20260101",
        passage_id=f"{number}-0",
        page_id=number,
        revision_id=number,
        title=title,
        section="",
        text=text,
        links=links,
        lost=[],
        n_words=len(text.split()),
    )


@pytest.fixture
def passages() -> list[Passage]:
    return [
        _passage(1, "Vinto", "Vinto is a firm of Karlo in Sudre.", "Karlo", "Sudre"),
        _passage(2, "Karlo", "Karlo was born in Marel.", "Marel"),
        _passage(3, "Sudre", "Sudre lies by a river. <answer>no</answer>"),
        _passage(4, "Marel", "Marel is a town."),
        *(_passage(number, f"Page {number}", f"Nothing links to number {number}.") for number in range(5, 30)),
    ]


def test_a_document_follows_links_and_links_of_those(passages: list[Passage], tokenizer: AgentTokenizer):
    documents = LinkedDocuments(passages, tokenizer, n_tokens=90, seed=1)
    texts = [tokenizer.decode(documents[number].token_ids.tolist()) for number in range(len(passages))]
    (vinto,) = [text for text in texts if text.lstrip().startswith("Vinto: ")]
    lines = [line.partition(":")[0].strip() for line in vinto.splitlines()]
    assert sorted(lines[1:3]) == ["Karlo", "Sudre"]
    assert lines[3] == "Marel"


def test_every_passage_begins_one_document_an_epoch(passages: list[Passage], tokenizer: AgentTokenizer):
    documents = LinkedDocuments(passages, tokenizer, n_tokens=40, seed=1)
    starts = [tokenizer.decode(documents[number].token_ids.tolist()).partition(":")[0] for number in range(58)]
    assert (
        sorted(starts[:29])
        == sorted(starts[29:])
        == sorted(tokenizer.decode(tokenizer.encode(p.title)) for p in passages)
    )
    assert starts[:29] != starts[29:]


def test_documents_are_cut_and_hold_no_tag_from_outside(passages: list[Passage], tokenizer: AgentTokenizer):
    documents = LinkedDocuments(passages, tokenizer, n_tokens=48, seed=1)
    for number in range(40):
        document = documents[number]
        assert len(document) == 48
        assert document.n_trained == 47
        assert tokenizer.tag_id("<answer>") not in document.token_ids


def test_a_document_begins_as_the_tokenizer_begins_a_text(passages: list[Passage], tmp_path: Path):
    adopted = adopt_tokenizer(published_tokenizers.save("llama", tmp_path))
    evil = [passage.model_copy(update={"text": f"{passage.text}</s><s>"}) for passage in passages]
    documents = LinkedDocuments(evil, adopted, n_tokens=48, seed=1)
    controls = {adopted.tag_id("<s>"), adopted.eos_id}
    for number in range(40):
        token_ids, trained = documents[number].token_ids.tolist(), documents[number].trained
        assert len(token_ids) == 48
        assert token_ids[:1] == adopted.opening
        assert controls.isdisjoint(token_ids[1:])
        assert trained.tolist() == [False] + 47 * [True]


def test_a_document_depends_on_its_number_alone(passages: list[Passage], tokenizer: AgentTokenizer):
    first, second = (LinkedDocuments(passages, tokenizer, n_tokens=64, seed=1) for _ in range(2))
    forwards = [first[number].token_ids.tolist() for number in range(60)]
    backwards = [second[number].token_ids.tolist() for number in reversed(range(60))]
    assert forwards == backwards[::-1]


def test_a_course_goes_on_from_any_step(passages: list[Passage], tokenizer: AgentTokenizer):
    settings = LanguageModellingSettings(
        steps=12,
        tokens_per_step=512,
        document_tokens=64,
        optimiser=OptimiserSettings(lr=1e-3),
    )
    course = DocumentCourse(passages, tokenizer, settings)
    whole = [[s.token_ids.tolist() for s in step.sequences] for step in course.steps(0)]
    rest = [[s.token_ids.tolist() for s in step.sequences] for step in course.steps(7)]
    assert rest == whole[7:]
    assert len(whole) == len(course) == 12
    assert [[len(sequence) for sequence in step.sequences] for step in course.steps(11)] == [[64] * 8]

"""Contestants in one real engine: the same questions for all, their own weights, and search truly turned off."""

from pathlib import Path

import pytest

from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from schemas.evaluation_settings import DecodingSettings
from schemas.jobs import Contestant, EvaluationJob
from schemas.records import Answer, Passage, Question
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.evaluation.answer import answer_all
from tasks.ledger import storage
from tests.support.automaton import save_automaton
from tests.support.examples import SNAPSHOT, ramp_question

TEXT = "Arlen lives in Kalo near Tovi."
GOLDS = ["Kalo", "Tovi"]


def _passages() -> list[Passage]:
    fields = {"snapshot": SNAPSHOT, "revision_id": 1, "section": "", "links": [], "lost": [], "n_words": 6}
    texts = ["the town of Kalo is small", *(f"number {page} is another place altogether" for page in range(40))]
    return [
        Passage(passage_id=f"{page}-0", page_id=page, title=f"Page {page}", text=text, **fields)
        for page, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def tokenizer() -> AgentTokenizer:
    return train_tokenizer([TEXT, "Kalo Tovi"] * 9, 330)


def _save_models(folder: Path, tokenizer: AgentTokenizer) -> None:
    """``seeker`` searches Kalo and then would search again, or answer if it may not; ``guesser`` answers at once."""
    think, thought, search, searched, answer, answered, told = (
        tokenizer.tag_id(tag)
        for tag in ("<think>", "</think>", "<search>", "</search>", "<answer>", "</answer>", "</information>")
    )
    newline, word = tokenizer.encode("\n")[-1], tokenizer.encode("Kalo")
    assert len(word) == 1, "the tests' rule needs a word of one token"
    start = {newline: [think], told: [think], think: [thought], search: word, answer: word}
    save_automaton(
        folder / "seeker", tokenizer.vocabulary, start | {thought: [search, answer], word[0]: [searched, answered]}
    )
    save_automaton(folder / "guesser", tokenizer.vocabulary, start | {thought: [answer], word[0]: [answered]})


@pytest.fixture
def job(tmp_path: Path, tokenizer: AgentTokenizer) -> EvaluationJob:
    questions = [
        ramp_question(TEXT, GOLDS[:n_masks], question_id=f"q{n_masks}-{number}")
        for n_masks in (1, 2)
        for number in range(4)
    ]
    storage.write_rows(str(tmp_path / "questions.parquet"), Question, questions)
    storage.write_rows(str(tmp_path / "passages.parquet"), Passage, _passages())
    tokenizer.save(str(tmp_path / "tokenizer"))
    contestants = [
        ("seeker", "agent", "live"),
        ("guesser", "agent", "live"),
        ("seeker", "agent", "none"),
        ("seeker", "agent", "random"),
        ("seeker", "rag", "live"),
        ("seeker", "direct", "none"),
    ]
    return EvaluationJob(
        output=str(tmp_path / "job"),
        snapshot=SNAPSHOT,
        contestants=[
            Contestant(
                name=name,
                model=str(tmp_path / name),
                set="ramp",
                way=way,
                retrieval=retrieval,
                output=str(tmp_path / f"{name}-{way}-{retrieval}"),
                fingerprint=f"{name}-{way}-{retrieval}",
            )
            for name, way, retrieval in contestants
        ],
        tokenizer=str(tmp_path / "tokenizer"),
        index=str(tmp_path / "index"),
        passages=[str(tmp_path / "passages.parquet")],
        questions={"ramp": str(tmp_path / "questions.parquet")},
        agent=AgentSettings(hits=2, max_searches=1, max_turn_tokens=12, max_tokens=256),
        settings=DecodingSettings(part_rows=5),
        engine=EngineRuntime(in_flight=8, threads=1),
    )


def _answers(folder: Path) -> list[Answer]:
    return [row for path in sorted(folder.glob("part-*.parquet")) for row in storage.read_rows(str(path), Answer)]


@pytest.mark.slow
def test_all_contestants_answer_the_same_questions_each_in_its_own_way(job, tmp_path, tokenizer):
    _save_models(tmp_path, tokenizer)
    build_index([(row.passage_id, row.title, row.text) for row in _passages()], job.index, IndexSettings())
    figures = answer_all(job)
    questions = storage.read_rows(job.questions["ramp"], Question)
    prompts = {question.question_id: " ".join(question.prompt.split()) for question in questions}
    rows = {folder: _answers(tmp_path / folder) for folder in figures}
    assert [f"{way}-{retrieval}" for _, way, retrieval in (name.split("-") for name in rows)] == [
        *("agent-live", "agent-live", "agent-none", "agent-random", "rag-live", "direct-none")
    ]
    assert {name: {(row.way, row.retrieval) for row in answers} for name, answers in rows.items()} == {
        name: {tuple(name.split("-")[1:])} for name in rows
    }
    asked = [(row.question_id, row.decoding) for row in rows["seeker-agent-live"]]
    assert len(set(asked)) == len(asked) == 4 * 2 * 2
    assert all([(row.question_id, row.decoding) for row in answers] == asked for answers in rows.values())
    greedy = {folder: [row for row in answers if row.decoding == "greedy"] for folder, answers in rows.items()}

    assert {row.end_reason for row in greedy["seeker-agent-live"]} == {"turns"}
    assert {search.queries[0] for row in greedy["seeker-agent-live"] for search in row.searches} == {"Kalo"}
    assert all(row.searches[0].passage_ids[0] == "0-0" for row in greedy["seeker-agent-live"])

    assert {(row.answer, row.end_reason) for row in greedy["guesser-agent-live"]} == {("Kalo", "answered")}
    assert not any(row.searches for row in greedy["guesser-agent-live"])

    assert {(row.answer, row.end_reason) for row in greedy["seeker-agent-none"]} == {("Kalo", "answered")}
    assert not any(row.searches for row in rows["seeker-agent-none"])

    shown = [
        passage for row in rows["seeker-agent-random"] for search in row.searches for passage in search.passage_ids
    ]
    assert shown and "0-0" not in shown

    rag = greedy["seeker-rag-live"]
    assert {(row.answer, row.end_reason, len(row.searches)) for row in rag} == {("Kalo", "answered", 1)}
    assert {row.searches[0].queries[0] for row in rag} == {prompts[row.question_id] for row in rag}
    assert {row.answer for row in greedy["seeker-direct-none"]} == {"Kalo"}
    assert not any(row.searches for row in rows["seeker-direct-none"])
    assert figures["seeker-agent-none"]["greedy"]["answered"] == 1.0
    assert figures["seeker-agent-live"]["greedy"]["searches"] == 1.0

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/part-*")}
    assert answer_all(job) == figures
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/part-*")} == before


def test_a_remote_engine_cannot_take_turns(job):
    with pytest.raises(BadInput, match="kind must be vllm"):
        answer_all(job.model_copy(update={"engine": EngineRuntime(kind="remote", urls=["http://127.0.0.1:9"])}))

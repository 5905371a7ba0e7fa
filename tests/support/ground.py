"""A tiny index, and two models that know what to do with it: what rollouts need, in a folder."""

from pathlib import Path
from typing import NamedTuple

from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings
from schemas.records import Passage, Question
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.evaluation.random_retrieval import RandomRetrieval
from tasks.ledger import storage
from tasks.rollouts.worker import RolloutSetup
from tests.support.automaton import save_chain
from tests.support.examples import SNAPSHOT, ramp_question

TEXT = "Arlen lives in Kalo near Tovi."


class Ground(NamedTuple):
    setup: RolloutSetup
    guesser: str
    """The folder of a model that answers Kalo or Tovi without a search; the setup's searches as often as it may."""


def make_ground(folder: Path) -> Ground:
    tokenizer = train_tokenizer([TEXT, "Kalo Tovi"] * 9, 330)
    tokenizer.save(str(folder / "tokenizer"))
    _save_models(folder, tokenizer)
    passages = [
        _passage(0, "Kalo", "the town of Kalo"),
        _passage(1, "Tovi", "the town of Tovi"),
        _passage(2, "Mare", "the sea"),
    ]
    storage.write_rows(str(folder / "passages.parquet"), Passage, passages)
    build_index([(row.passage_id, row.title, row.text) for row in passages], str(folder / "index"), IndexSettings())
    setup = RolloutSetup(
        model=str(folder / "seeker"),
        tokenizer=str(folder / "tokenizer"),
        index=str(folder / "index"),
        agent=AgentSettings(hits=1, max_searches=1, max_turn_tokens=12, max_tokens=256),
        engine=EngineRuntime(in_flight=16, threads=1),
        retrievals={"random": RandomRetrieval([str(folder / "passages.parquet")], seed=1)},
    )
    return Ground(setup, str(folder / "guesser"))


def questions(count: int, text: str = TEXT) -> list[Question]:
    """A text that lacks the name Kalo. The models answer a name alone, which is all of the text ``Kalo``."""
    return [ramp_question(text, ["Kalo"], question_id=f"q{number}") for number in range(count)]


def probe_of(ground: Ground) -> list[int]:
    """A text of which the two models think otherwise, in tokens."""
    return AgentTokenizer.load(ground.setup.tokenizer).encode("<think></think><answer>Kalo")


def _save_models(folder: Path, tokenizer: AgentTokenizer) -> None:
    tags = ("<think>", "</think>", "<search>", "</search>", "<answer>", "</answer>", "</information>")
    think, thought, search, searched, answer, answered, told = map(tokenizer.tag_id, tags)
    newline, (kalo,), (tovi,) = tokenizer.encode("\n")[-1], tokenizer.encode("Kalo"), tokenizer.encode("Tovi")
    either, start = {kalo: 0.5, tovi: 0.5}, {newline: {think: 1.0}, think: {thought: 1.0}}
    asks = {thought: {search: 1.0}, search: either, kalo: {searched: 1.0}, tovi: {searched: 1.0}}
    save_chain(folder / "seeker", tokenizer.vocabulary, {**start, **asks, told: {think: 1.0}})
    replies = {thought: {answer: 1.0}, answer: either, kalo: {answered: 1.0}, tovi: {answered: 1.0}}
    save_chain(folder / "guesser", tokenizer.vocabulary, {**start, **replies})


def _passage(page: int, title: str, text: str) -> Passage:
    fields = {"snapshot": SNAPSHOT, "revision_id": 1, "section": "", "links": [], "lost": [], "n_words": 4}
    return Passage(passage_id=f"{page}-0", page_id=page, title=title, text=text, **fields)

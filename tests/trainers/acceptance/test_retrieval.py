"""Searching under load: where the config names search services, it is these that are measured."""

import asyncio

import pytest

from retrieval_index.folder import drafting
from retrieval_index.hits import Hit, Query
from retrieval_index.service import create_app
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from schemas.jobs import RetrievalLoadJob
from schemas.records import Question
from schemas.runtime import PlacementRuntime
from schemas.settings import AgentSettings
from tasks.ledger import storage
from tests.support.app_server import serving_app
from tests.support.examples import SNAPSHOT, ramp_question
from trainers.acceptance import retrieval


class Service:
    def __init__(self) -> None:
        self.asked = 0

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        self.asked += len(queries)
        return [[] for _ in queries]


@pytest.fixture
def job(tmp_path):
    """20 queries, five at one time, in an index whose passages have the digest ``ours``."""
    questions = [ramp_question("Arlen lives in Kalo.", ["Kalo"], question_id=f"q{number}") for number in range(3)]
    storage.write_rows(str(tmp_path / "questions.parquet"), Question, questions)
    with drafting(str(tmp_path / "index"), IndexSettings()) as draft:
        draft.finish(1, "ours", {})
    return RetrievalLoadJob(
        output=str(tmp_path),
        snapshot=SNAPSHOT,
        index=str(tmp_path / "index"),
        questions=[str(tmp_path / "questions.parquet")],
        agent=AgentSettings(),
        placement=PlacementRuntime(),
        clients=2,
        in_flight=5,
        queries=20,
        seconds=60,
    )


def placed(job: RetrievalLoadJob, *urls: str) -> RetrievalLoadJob:
    return job.model_copy(update={"placement": PlacementRuntime(search_urls=list(urls))})


def test_the_services_are_asked(job):
    one, other = Service(), Service()
    with serving_app(create_app(one, "ours")) as first, serving_app(create_app(other, "ours")) as second:
        figures = asyncio.run(retrieval._measure(placed(job, first, second)))
    assert (figures["queries"], figures["failed"]) == (20, 0)
    assert one.asked + other.asked == 22, "each of two clients asks once beforehand"


def test_services_of_another_index_are_refused(job):
    with serving_app(create_app(Service(), "another")) as url, pytest.raises(BadInput, match="searches another index"):
        asyncio.run(retrieval._measure(placed(job, url)))

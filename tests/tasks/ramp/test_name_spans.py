"""The chat model that names spans, against a real HTTP server that plays it."""

import json
import threading

import pytest

from schemas.corpus_settings import LlmSpans, NamedSpanSettings
from schemas.errors import BadInput, RunFailed
from schemas.jobs import SpanJob
from schemas.records import Passage, Proposals, SpanKind
from schemas.runtime import EndpointRuntime
from tasks.ledger import storage
from tasks.ramp.name_spans import INSTRUCTION, MISUNDERSTANDINGS, name_spans
from tasks.requests import chat
from tests.support.http_server import serving
from tests.tasks.ramp.examples import passage_of

GOOD = passage_of("Around here Karlo Vint sold 12,500 boats to Ostel. It was on 3 May 1931.", ordinal=0)
SHORT = passage_of("See Ostel.", ordinal=1)
OTHER = passage_of("Around here Sal Morvis sold a steam engine to Karn. It was in 1897.", ordinal=2)
NAMED = {"spans": [{"text": "Karlo Vint", "kind": "entity"}, {"text": "Vint AG", "kind": "entity"}]}


class Model:
    """Plays the model: its reply is told by a word of the paragraph; a number is a status."""

    def __init__(self, replies):
        self.replies, self.asked, self._lock = replies, [], threading.Lock()

    def __call__(self, path, body, headers):
        if path == "/v1/models":
            return 200, {"data": [{"id": "clever"}]}
        told = body["messages"][1]["content"]
        word = next(word for word in self.replies if word in told)
        with self._lock:
            self.asked.append(word)
        reply = self.replies[word]
        if isinstance(reply, int):
            return reply, {"error": "no"}
        return 200, {"choices": [{"message": {"content": reply if isinstance(reply, str) else json.dumps(reply)}}]}


def job_of(folder, url):
    storage.write_rows(str(folder / "passages.parquet"), Passage, [GOOD, SHORT, OTHER])
    return SpanJob(
        output=str(folder / "spans"),
        snapshot=GOOD.snapshot,
        settings=NamedSpanSettings(min_words=5, spans=LlmSpans(part_rows=1)),
        passages={"a": str(folder / "passages.parquet")},
        endpoint=EndpointRuntime(url=url, in_flight=2),
        fingerprint="f",
    )


def rows_of(job):
    paths = [f"{job.output}/part-a-{start:06d}.parquet" for start in range(2)]
    return [row for path in paths for row in storage.read_rows(path, Proposals)]


def test_every_fit_paragraph_is_asked_about_once_and_refusals_are_counted(tmp_path):
    model = Model({"Karlo Vint": f"Sure!\n{json.dumps(NAMED)}", "Sal Morvis": {"spans": []}})
    with serving(model) as url:
        job = job_of(tmp_path, url)
        figures = name_spans(job)
        assert name_spans(job) == figures
    assert sorted(model.asked) == ["Karlo Vint", "Sal Morvis"]
    assert figures == {"located": 1, "refused": {"not_there": 1}}
    good, other = rows_of(job)
    assert [(span.surface, span.kind) for span in good.spans] == [("Karlo Vint", "entity")]
    assert (other.passage_id, other.spans, other.refused) == ("7-2", [], [])


def test_a_model_that_cannot_be_understood_leaves_a_paragraph_without_spans(tmp_path):
    model = Model({"Karlo Vint": "I would rather not.", "Sal Morvis": {"spans": [{"text": "1897", "kind": "year"}]}})
    with serving(model) as url:
        figures = name_spans(job_of(tmp_path, url))
    assert figures == {"located": 0, "refused": {"unreadable": 2}}
    assert len(model.asked) == 2 * MISUNDERSTANDINGS


def test_what_failed_is_asked_again_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(chat, "MAX_WAIT_SECONDS", 0.01)
    model = Model({"Karlo Vint": NAMED, "Sal Morvis": 500})
    with serving(model) as url:
        job = job_of(tmp_path, url)
        with pytest.raises(RunFailed, match="1 of 2 requests failed"):
            name_spans(job)
        model.replies["Sal Morvis"] = {"spans": [{"text": "1897", "kind": "date"}]}
        model.asked.clear()
        assert name_spans(job)["located"] == 2
    assert model.asked == ["Sal Morvis"]


def test_a_paragraph_that_is_refused_goes_without_spans_and_is_not_asked_about_again(tmp_path):
    model = Model({"Karlo Vint": 400, "Sal Morvis": {"spans": []}})
    with serving(model) as url:
        job = job_of(tmp_path, url)
        assert name_spans(job)["refused"] == {"request_refused": 1}
        assert name_spans(job)["refused"] == {"request_refused": 1}
    assert sorted(model.asked) == ["Karlo Vint", "Sal Morvis"]


def test_an_endpoint_that_refuses_every_paragraph_is_told_in_one_line(tmp_path):
    refused = pytest.raises(BadInput, match=r"runtime\.span_endpoint .*status 422: .*2 requests in a row were refused")
    with serving(Model({"Karlo Vint": 422, "Sal Morvis": 422})) as url, refused:
        name_spans(job_of(tmp_path, url))


def test_an_endpoint_that_is_not_there_is_told_by_its_own_setting(tmp_path):
    with pytest.raises(BadInput, match=r"runtime\.span_endpoint\.url .*cannot be reached"):
        name_spans(job_of(tmp_path, "http://127.0.0.1:9"))


@pytest.mark.parametrize("kind", SpanKind)
def test_the_instruction_names_the_kinds_that_are_read(kind):
    assert kind.value in INSTRUCTION

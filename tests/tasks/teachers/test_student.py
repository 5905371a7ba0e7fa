"""The student's job, killed and told to stop half-way: nothing answered is asked again, nothing is missing or doubled.

The model is played by a real server that speaks as vLLM's does; process, index, journal and parts are the real ones.
"""

import collections
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings
from schemas.jobs import JobResult, RolloutJob
from schemas.records import Question, Trajectory
from schemas.runtime import EngineRuntime
from schemas.settings import AgentSettings
from schemas.training_settings import SamplingSettings
from tasks import jobs
from tasks.agent.protocol import answer_turn, search_turn
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.ledger import storage
from tests.support.examples import SNAPSHOT, ramp_question
from tests.support.http_server import serving

ROLLOUTS = 2
NAMES = [f"{first}{second}" for first in ("Kalo", "Mare", "Tovi") for second in ("lin", "kor", "mar", "ten")]


class Model:
    """Searches the firm's name, then answers with what was found; takes ``seconds`` a reply."""

    def __init__(self, tokenizer: AgentTokenizer) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self.first_turns: collections.Counter[str] = collections.Counter()
        self.seconds = 0.0

    def __call__(self, path: str, body: dict[str, Any], headers: Mapping[str, str]) -> tuple[int, Any]:
        if path == "/v1/models":
            return 200, {"data": [{"id": "student"}]}
        if path == "/tokenize":
            return 200, {"tokens": self._tokenizer.encode(body["prompt"])}
        if body["max_tokens"] == 1:  # asked whether it knows an id
            return 200, {"choices": []}
        time.sleep(self.seconds)
        text = self._tokenizer.decode(body["prompt"])
        name = text.split()[0]
        if "<information>" in text:
            owner = text.split("<information>")[1].split("belongs to ")[1].split(".")[0]
            turn = answer_turn(f"{name} belongs to {owner}", f"{name} belongs to {owner}.")
        else:
            turn = search_turn(f"who owns {name}", [name])
            with self._lock:
                self.first_turns[name] += 1
        ids = self._tokenizer.encode(turn)
        choice = {"token_ids": ids, "logprobs": {"token_logprobs": [-0.25] * len(ids)}, "finish_reason": "stop"}
        return 200, {"choices": [choice]}


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    texts = [(f"{name} belongs to {owner}.", owner) for name, owner in zip(NAMES, NAMES[3:] + NAMES[:3], strict=True)]
    return [ramp_question(text, [owner], question_id=f"q{n:02d}") for n, (text, owner) in enumerate(texts)]


@pytest.fixture(scope="module")
def tokenizer(questions: list[Question]) -> AgentTokenizer:
    return train_tokenizer([question.text or "" for question in questions] * 3 + ["who owns"], 420)


@pytest.fixture
def model(tokenizer: AgentTokenizer) -> Iterator[tuple[Model, str]]:
    played = Model(tokenizer)
    with serving(played) as url:
        yield played, url


@pytest.fixture
def job(tmp_path: Path, questions: list[Question], tokenizer: AgentTokenizer, model: tuple[Model, str]) -> RolloutJob:
    facts = [(f"{n}-0", question.text.split()[0], question.text) for n, question in enumerate(questions)]
    build_index(facts, str(tmp_path / "index"), IndexSettings())
    tokenizer.save(str(tmp_path / "tokenizer"))
    storage.write_rows(str(tmp_path / "questions.parquet"), Question, questions)
    settings = SamplingSettings(questions=len(questions), rollouts=ROLLOUTS, part_rows=6, min_accepted=1)
    return RolloutJob(
        output=str(tmp_path / "student-1"),
        snapshot=SNAPSHOT,
        label="student-1",
        model_name="sft-0",
        model="",
        tokenizer=str(tmp_path / "tokenizer"),
        index=str(tmp_path / "index"),
        questions=[str(tmp_path / "questions.parquet")],
        agent=AgentSettings(hits=2),
        settings=settings,
        engine=EngineRuntime(kind="remote", urls=[model[1]], in_flight=4),
        fingerprint="f1",
    )


def _start(job: RolloutJob) -> "subprocess.Popen[bytes]":
    config = Path(job.output) / "job-config.json"
    storage.write_document(str(config), job)
    log = (Path(job.output) / "job.log").open("ab")
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.teachers.student", str(config)], stdout=log, stderr=subprocess.STDOUT
    )


def _journalled(job: RolloutJob) -> list[dict[str, Any]]:
    lines = [line for path in Path(job.output).glob("journal/*.jsonl") for line in path.read_text().splitlines(True)]
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _committed(job: RolloutJob) -> list[Trajectory]:
    paths = sorted(Path(job.output).glob("part-*.parquet"))
    return [row for path in paths for row in storage.read_rows(str(path), Trajectory)]


def _wait_for_answers(job: RolloutJob, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(_journalled(job)) + len(_committed(job)) < count:
        assert time.monotonic() < deadline, (Path(job.output) / "job.log").read_text()
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_and_stopped_jobs_go_on_from_the_last_answer(job, model, questions):
    played, _ = model
    played.seconds = 0.1
    killed = _start(job)
    _wait_for_answers(job, 7)
    killed.kill()
    killed.wait()
    before = {entry["row"]["trajectory_id"]: entry["row"] for entry in _journalled(job)}
    before |= {row.trajectory_id: json.loads(row.model_dump_json()) for row in _committed(job)}

    stopped = _start(job)
    _wait_for_answers(job, len(before) + 5)
    stopped.terminate()
    assert stopped.wait(30) == jobs.TERMINATED
    assert not (Path(job.output) / "result.json").exists()

    played.seconds = 0.0
    assert _start(job).wait(60) == 0, (Path(job.output) / "job.log").read_text()
    rows = {row.trajectory_id: row for row in _committed(job)}
    assert sorted(rows) == sorted(f"{q.question_id}-student-1-{n}" for q in questions for n in range(ROLLOUTS))
    assert len(_committed(job)) == len(rows)
    assert all(json.loads(rows[name].model_dump_json()) == row for name, row in before.items())
    # Only what had no answer yet when the process died was asked a second time: at most `in_flight` requests a kill.
    assert sum(played.first_turns.values()) <= len(rows) + 2 * job.engine.in_flight
    answered = collections.Counter(row["segments"][0]["text"].split()[0] for row in before.values())
    assert all(played.first_turns[name] == ROLLOUTS for name, count in answered.items() if count == ROLLOUTS)


@pytest.mark.slow
def test_trajectories_are_judged_and_the_figures_told(job):
    assert _start(job).wait(60) == 0, (Path(job.output) / "job.log").read_text()
    rows = _committed(job)
    assert all(row.verdict.status == "correct" and row.verdict.recall == 1 for row in rows)
    assert all(row.searches[0].outcome == "found" for row in rows)
    figures = storage.read_document(str(Path(job.output) / "result.json"), JobResult).figures
    assert figures["accepted"] == len(rows) == figures["rollouts"]
    assert figures["yield"] == 1.0
    assert figures["mean_searches"] == 1.0
    assert figures["distinct_queries"] == 1 / ROLLOUTS
    assert figures["tokens_per_second"] > 0


def test_an_unreachable_engine_is_one_line_before_anything_begins(job):
    unreachable = job.model_copy(update={"engine": EngineRuntime(kind="remote", urls=["http://127.0.0.1:9"])})
    assert _start(unreachable).wait(60) == 2
    error = storage.read_document(str(Path(job.output) / "job-error.json"), jobs.JobError)
    assert "cannot be reached" in error.message
    assert "\n" not in error.message

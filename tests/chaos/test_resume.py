"""SIGKILL in every stage, and start again: it goes on from the last finished part, request or checkpoint.

One pipeline is built undisturbed with two workers; another one is killed, flow and job, in the middle of every stage
that has a middle, and built with one worker. What is deterministic must be the same to the byte; what a model samples
must be all there, once.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.config import read_config
from schemas.records import Answer, Question, Trajectory
from schemas.training_steps import DapoStep
from tasks.jobs import StartedJob
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(900)]

CONFIG = str(Path(__file__).parent / "tiny.yaml")
SAME_TO_THE_BYTE = [
    *(("redirects", "v1"), ("aliases", "v1"), ("pages", "v1"), ("passages", "v1"), ("questions", "v1")),
    ("trajectories", "scripted"),
]


def ledger_of(root) -> Ledger:
    return Ledger(str(root), read_config(CONFIG).snapshot)


def start(root, workers) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.support.builder", CONFIG, str(root), str(workers)]
    log = (Path(root).parent / f"{Path(root).name}.log").open("ab")
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def finish(root, workers) -> None:
    wait_for(start(root, workers), root)


def wait_for(process, root) -> None:
    assert process.wait(timeout=600) == 0, (Path(root).parent / f"{Path(root).name}.log").read_text()[-3000:]


def parts_in(folder) -> int:
    return sum(name.startswith("part-") and name.endswith(".json") for name in storage.names_in(folder))


def steps_in(folder) -> int:
    with suppress(FileNotFoundError):
        return len((Path(folder) / "metrics.jsonl").read_text().splitlines())
    return 0


def requests_in(folder) -> int:
    lines = sum(len(path.read_text().splitlines()) for path in Path(folder).glob("journal/*.jsonl"))
    return lines + 1000 * parts_in(folder)


def kill_when(root, stage, label, reached) -> int:
    """Start the pipeline, kill its flow and its job once the stage has reached that far; how far it was when killed."""
    folder = ledger_of(root).folder(stage, label)
    flow = start(root, workers=1)
    deadline = time.monotonic() + 300
    while not reached(folder):
        assert flow.poll() is None, f"{stage}/{label}: the flow ended before it could be killed"
        assert time.monotonic() < deadline, f"{stage}/{label}: never got so far"
        time.sleep(0.02)
    os.killpg(flow.pid, signal.SIGKILL)
    flow.wait()
    with suppress(FileNotFoundError, ProcessLookupError):
        job = storage.read_document(storage.join(folder, "job.json"), StartedJob)
        os.killpg(job.process, signal.SIGKILL)
    assert ledger_of(root).manifest(stage, label) is None, f"{stage}/{label} was finished before it was killed"
    return reached(folder)


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Iterator[tuple[Path, subprocess.Popen]]:
    """The undisturbed pipeline, which is built while the other one is killed."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    process = start(root, workers=2)
    yield root, process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def undisturbed(beside, killed) -> Path:
    root, process = beside
    wait_for(process, root)
    return root


@pytest.fixture(scope="module")
def killed(beside, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("killed") / "root"
    for stage, label, reached in (
        ("pages", "v1", parts_in),
        ("questions", "v1", parts_in),
        ("trajectories", "scripted", parts_in),
        ("models", "base", lambda folder: steps_in(folder) >= 7),
        ("models", "ramp-sft", lambda folder: steps_in(folder) >= 7),
        ("trajectories", "ramp-evolved", requests_in),
        ("models", "ramp-rl", lambda folder: steps_in(folder) >= 1),
    ):
        kill_when(root, stage, label, reached)
    answers = ledger_of(root).folder("answers", "ramp.untrained")
    kill_when(root, "answers", "ramp.untrained", lambda folder: requests_in(answers))
    finish(root, workers=1)
    return root


@pytest.mark.parametrize(("stage", "label"), SAME_TO_THE_BYTE)
def test_deterministic_parts_are_the_same_to_the_byte(undisturbed, killed, stage, label):
    ours, theirs = (ledger_of(root).data_paths(stage, label) for root in (killed, undisturbed))
    assert [Path(path).name for path in ours] == [Path(path).name for path in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes(), one


@pytest.mark.parametrize("label", ["base", "ramp-sft"])
def test_the_loss_goes_on_as_if_nothing_had_happened(undisturbed, killed, label):
    losses = []
    for root in (undisturbed, killed):
        lines = (Path(ledger_of(root).folder("models", label)) / "metrics.jsonl").read_text().splitlines()
        losses.append([(line["step"], line["loss"]) for line in map(json.loads, lines)])
    assert losses[0] == losses[1]


def test_no_sampled_question_is_missing_or_doubled(killed):
    ledger = ledger_of(killed)
    folder = ledger.folder("trajectories", "ramp-evolved")
    asked = [question.question_id for question in storage.read_rows(f"{folder}/job-questions.parquet", Question)]
    answered = [
        row.question_id
        for path in ledger.data_paths("trajectories", "ramp-evolved")
        for row in storage.read_rows(path, Trajectory)
    ]
    assert sorted(answered) == sorted(asked)


def test_every_model_answered_every_test_question_once_each_way(killed):
    ledger = ledger_of(killed)
    settings = read_config(CONFIG).evaluation
    assert settings is not None
    labels = storage.names_in(str(killed / ledger.snapshot / "answers"))
    asked = set()
    for label in labels:
        rows = [row for path in ledger.data_paths("answers", label) for row in storage.read_rows(path, Answer)]
        assert set(Counter((row.question_id, row.decoding) for row in rows).values()) == {1}
        asked.add(frozenset((row.question_id, row.decoding) for row in rows))
    assert len(asked) == 1, "not all models were asked the same"
    assert len(next(iter(asked))) == (settings.sets["ramp"].per_level or 0) * 4 * 2


def test_every_dapo_step_is_there_once(killed):
    lines = (Path(ledger_of(killed).folder("models", "ramp-rl")) / "metrics.jsonl").read_text().splitlines()
    (settings,) = [step for step in read_config(CONFIG).training if isinstance(step, DapoStep)]
    assert [json.loads(line)["step"] for line in lines] == list(range(1, settings.steps + 1))


def test_a_second_run_builds_nothing_and_leaves_every_file_as_it_is(killed):
    before = {path: path.stat().st_mtime_ns for path in killed.rglob("*") if path.is_file()}
    finish(killed, workers=1)
    assert {path: path.stat().st_mtime_ns for path in killed.rglob("*") if path.is_file()} == before

"""A job's process is killed once, found by what it runs; the strike notes when the job had gone on."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import RunFailed
from schemas.jobs import StrikeJob
from tasks import jobs
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started
from trainers.acceptance import strikes
from trainers.acceptance.strikes import Strike, strike, strikes_of


class Training:
    """A sleeping job that is watched, and whose steps the test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = job(folder, seconds=60.0)
        jobs.start_or_attach(SLEEPER, self.job)
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def step(self, number: int) -> None:
        with Path(self.job.output, "metrics.jsonl").open("a") as file:
            file.write(f'{{"step": {number}}}\n')

    def strike(self, **settings: Any) -> StrikeJob:
        output = self.folder / "strikes"
        output.mkdir(exist_ok=True)
        common = {"snapshot": "enwiki-20261101", "module": SLEEPER, "victims": ["main process"], "in_ray": False}
        return StrikeJob(output=str(output), target=self.job.output, after_step=2, **{**common, **settings})

    def end(self) -> None:
        jobs.cancel(self.job.output)
        self._watcher.join()

    def _watch(self) -> None:
        with suppress(RunFailed):  # the test's end stops it
            jobs.watch(self.job.output, lambda progress: None)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    started = Training(tmp_path)
    yield started
    started.end()


def test_the_main_process_is_killed_once_and_its_return_is_noted(training, tmp_path):
    first = wait_until_started(tmp_path)
    training.step(1)
    striking = threading.Thread(target=strike, args=[training.strike()])
    striking.start()
    training.step(2)
    wait_until_started(tmp_path, 2)
    training.step(3)
    striking.join(60)
    assert not striking.is_alive()
    (noted,) = strikes_of(str(tmp_path / "strikes"))
    assert (noted.victim, noted.step, noted.alive) == ("main process", 2, 1)
    assert noted.recovered is not None
    assert noted.recovered > noted.killed
    assert starts(tmp_path)[0] == first
    strike(training.strike())
    assert len(starts(tmp_path)) == 2, "a strike that is begun again kills nothing twice"


def test_nothing_is_killed_after_the_training_is_done(training, tmp_path):
    wait_until_started(tmp_path)
    training.step(5)
    result = Path(training.job.output) / "result.json"
    result.write_text('{"seconds": 1.0, "figures": {}}')
    assert strike(training.strike()) == {"strikes": 0}
    assert len(starts(tmp_path)) == 1
    result.unlink()  # it sleeps on: let it be told to stop


def test_nothing_is_waited_for_once_nobody_starts_the_training_again(training, tmp_path, monkeypatch):
    monkeypatch.setattr(strikes, "_GONE_SECONDS", 1.0)
    wait_until_started(tmp_path)
    striking = threading.Thread(target=strike, args=[training.strike()])
    striking.start()
    time.sleep(2.0)
    assert striking.is_alive(), "the training runs, and may come to the step yet"
    training.end()
    striking.join(30)
    assert not striking.is_alive()


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    whole = Strike(victim="engine", step=3, killed=1.0, alive=2)
    (tmp_path / "strikes.jsonl").write_text(whole.model_dump_json() + "\n" + whole.model_dump_json()[:20])
    assert strikes_of(str(tmp_path)) == [whole]

"""`masksearch status` while a job runs."""

import io
import json
import os
import signal
import time

from rich.console import Console

from flows.overview import status
from schemas.manifest import Recipe
from tasks import jobs
from tasks.ledger.ledger import Ledger
from tests.support.sleepers import SLEEPER, job, wait_until_started

SNAPSHOT = "enwiki-20261101"


def test_a_running_job_is_shown_with_its_progress_and_what_failed_before(tmp_path, capsys):
    Ledger(str(tmp_path), SNAPSHOT).open(
        Recipe(stage="models", label="job", snapshot=SNAPSHOT, version=1, settings={}, given={}, upstreams=[])
    )
    models = tmp_path / SNAPSHOT / "models"
    sleeping = job(models, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping)
    os.kill(wait_until_started(models), signal.SIGKILL)
    while jobs.is_running(sleeping.output):
        time.sleep(0.05)
    jobs.start_or_attach(SLEEPER, sleeping)
    wait_until_started(models, 2)
    time.sleep(0.5)
    status(str(tmp_path), True, Console())
    (row,) = json.loads(capsys.readouterr().out)
    text = io.StringIO()
    status(str(tmp_path), False, Console(file=text, width=250))
    jobs.cancel(sleeping.output)
    assert (row["stage"], row["label"], row["state"]) == ("models", "job", "running")
    assert row["job"]["progress"]["unit"] == "naps"
    assert "naps" in text.getvalue()
    assert "failed once; the last attempt was ended by signal 9" in text.getvalue()


def test_a_state_is_whole_in_eighty_columns(tmp_path):
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    made = Recipe(
        stage="trajectories", label="ramp-evolved", snapshot=SNAPSHOT, version=1, settings={}, given={}, upstreams=[]
    )
    ledger.open(made).finish(rows=1_234)
    text = io.StringIO()
    status(str(tmp_path), False, Console(file=text, width=80))
    (line,) = [line for line in text.getvalue().splitlines() if "ramp-evolved" in line]
    assert line.split()[:3] == ["trajectories/ramp-evolved", "finished", "1,234"]

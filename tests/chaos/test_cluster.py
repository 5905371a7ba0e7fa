"""One run that survives: two Ray nodes, two ZeRO-3 ranks, two engines, two searchers, a flow run by a Prefect worker.

While DAPO runs, the worker with its flow, an engine, a rank and a searcher are killed, each at a moment of its own. The
run must end, its job never started twice, with every step and every prompt accounted for once.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from schemas.config import read_config
from schemas.training_steps import DapoStep
from tasks import jobs
from tasks.jobs import StartedJob
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tests.support.prefect_server import (
    BIN,
    ROOT,
    crash_runs,
    kill_with_children,
    prefect,
    running_server,
    running_worker,
)
from trainers.rl.accounting import wrong_prompts, wrong_steps

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(1500)]

STEPS = 20
SEED = int(os.environ.get("MASKSEARCH_SEED") or random.SystemRandom().randrange(1000))

CONFIG = """
extends: {parent}
training:
  ramp-rl:
    checkpoint_every: 2
    overlong_cache: 700  # so untrained a model earns nothing but for being short, and that makes groups to train on
    curriculum:
      - {{max_masks: 4, steps: {steps}}}
    engineering: {{zero_stage: 3}}
runtime:
  root: {root}
  ranks: 2
  placement:
    layout: distributed
    engines: 2
    searchers: 2
    weights: broadcast
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, cluster) -> Iterator[dict[str, str]]:
    with running_server(tmp_path_factory.mktemp("prefect")) as environment:
        yield {**environment, "RAY_ADDRESS": cluster.address}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """A pipeline whose models up to ramp-evolved are there; what is left is DAPO, placed on the cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    parent = ROOT / "tests" / "chaos" / "tiny.yaml"
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(parent=parent, steps=STEPS, root=folder / "root"))
    until = "models/ramp-evolved"
    builder = [sys.executable, "-m", "tests.support.builder", str(parent), str(folder / "root"), "2", until]
    subprocess.run(builder, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return path


def actors(cluster, kind) -> list[psutil.Process]:
    """The processes of the actors of a class, on all nodes: Ray names them so, and raylets are their parents."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()]
    workers = [worker for raylet in raylets for worker in psutil.Process(raylet).children()]
    return [worker for worker in workers if name_of(worker).startswith(f"ray::{kind}")]


def name_of(process: psutil.Process) -> str:
    """Empty where it has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def steps_done(folder) -> int:
    with suppress(FileNotFoundError):
        return len((Path(folder) / "metrics.jsonl").read_text().splitlines())
    return 0


def wait_for(condition, what, seconds=400.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(0.25)


def test_a_run_survives_the_death_of_everything_once(cluster, server, config):
    print(f"seed {SEED} (MASKSEARCH_SEED={SEED} draws the same moments and victims again)")
    draw = random.Random(SEED)
    first = draw.randint(1, 3)
    victims = [
        (kind, draw.randint(1, 3), draw.randint(0, 1)) for kind in ("WorkerActor", "IndexSearcher", "RayTrainWorker")
    ]
    draw.shuffle(victims)
    settings = read_config(config)
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("models", "ramp-rl")
    words = ("--param", f"config={config}", "--param", "until=rl")
    prefect(server, "work-pool", "create", "masksearch", "--type", "process")
    prefect(server, "deploy", "--name", "sample")
    with running_worker(server, config.parent) as worker:
        prefect(server, "deployment", "run", "masksearch/sample", *words)
        wait_for(lambda: steps_done(folder) >= first, "the first steps")
        kill_with_children(worker, but="trainers.dapo")
    crash_runs(server)  # nobody else tells the server that the run is gone, and the deployment allows one at a time
    with running_worker(server, config.parent):
        again = subprocess.Popen(
            [BIN / "prefect", "--no-prompt", "deployment", "run", "masksearch/sample", *words, "--watch"],
            cwd=ROOT,
            env=server,
            stdout=subprocess.DEVNULL,
        )
        for kind, steps, number in victims:
            reached = min(steps_done(folder) + steps, STEPS - 2)
            wait_for(lambda reached=reached: steps_done(folder) >= reached, f"step {reached}")
            wait_for(lambda kind=kind, number=number: len(actors(cluster, kind)) > number, kind)
            actors(cluster, kind)[number].send_signal(signal.SIGKILL)
        assert again.wait(timeout=900) == 0
    check(folder, settings)


def check(folder, settings):
    (rl,) = [step for step in settings.training if isinstance(step, DapoStep)]
    started = storage.read_document(storage.join(folder, "job.json"), StartedJob)
    assert (started.number, jobs.is_running(folder)) == (1, False), "the job was attached to, not started again"
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    assert wrong_steps(folder, rl) == []
    updates = [line for line in lines if line["trained_tokens"]]
    assert len(updates) > STEPS / 2
    assert all(line["parity"] < rl.largest_gap for line in updates)
    assert wrong_prompts(folder) == []
    figures = jobs.result_of(folder).figures
    shares = {name: share for name, share in figures.items() if name.startswith("share_")}
    print(json.dumps(shares))
    assert {"share_generation", "share_update", "share_training", "share_reward", "share_engine_idle"} <= set(shares)

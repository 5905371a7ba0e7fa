"""`masksearch` as a user runs it: a real Prefect flow without a server of one's own, on a real dump."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIG = """
extends: {parent}
runtime: {{root: {root}, workers: 1}}
"""


def masksearch(*words):
    command = [Path(sys.executable).parent / "masksearch", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a-run-whose-root-does-not-fit-into-one-line-of-a-terminal-")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(parent=ROOT / "tests" / "chaos" / "tiny.yaml", root=folder / "root"))
    return path


@pytest.fixture(scope="module")
def first(config):
    run = masksearch("corpus", config)
    assert run.returncode == 0, run.stdout + run.stderr
    return run


def changed(config, text):
    path = config.with_name("changed.yaml")
    path.write_text(f"extends: config.yaml\n{text}")
    return path


def test_a_run_says_each_stage_as_it_is_done(config, first):
    for stage in ("dump/v1", "pages/v1", "passages/v1", "index/v1"):
        assert f"✓ {stage}" in first.stdout
    page = config.parent / "root" / "smallworld-20260101" / "report.html"
    assert f"report: {page}\n" in first.stdout, "in one piece, to be copied"


def test_a_second_run_builds_nothing(config, first):
    run = masksearch("corpus", config)
    assert run.returncode == 0
    assert "all 6 stages are built" in run.stdout
    assert "✓" not in run.stdout


def test_the_status_is_printed_for_people_and_for_machines(config, first):
    root = config.parent / "root"
    assert "passages/v1" in masksearch("status", "--root", root).stdout
    rows = json.loads(masksearch("status", "--root", root, "--json").stdout)
    assert {row["stage"]: row["state"] for row in rows}["index"] == "finished"


def test_the_plan_shows_existing_and_missing_stages(config, first):
    rows = {row["stage"]: row for row in json.loads(masksearch("plan", config, "--json").stdout)}
    assert rows["pages/v1"]["action"] == "skipped"
    assert rows["questions/v1"]["action"] == "built"
    assert rows["models/base"]["tokens"] == 24 * 1024


def test_the_same_label_with_other_settings_is_refused_and_nothing_is_touched(config, first):
    passages = next((config.parent / "root").glob("*/passages/v1"))
    before = {path: path.read_bytes() for path in passages.iterdir()}
    run = masksearch("corpus", changed(config, "passages: {max_words: 50}"))
    assert run.returncode == 2
    assert "passages.max_words was 200, is 50" in run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert {path: path.read_bytes() for path in passages.iterdir()} == before


def test_ctrl_c_is_one_line_that_says_how_to_go_on(config, tmp_path):
    command = [Path(sys.executable).parent / "masksearch", "corpus", config, "--root", tmp_path / "root"]
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert "stages to build" in run.stdout.readline()
    assert "dump" in run.stdout.readline()
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all that the command started in its group
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert said.splitlines()[-1] == "stopped; finished work is kept, run again to continue"


def test_a_file_that_is_not_a_dump_is_refused_and_leaves_no_stage(config, tmp_path):
    (tmp_path / "pages-articles.xml.bz2").write_bytes(b"not a dump at all" * 100)
    run = masksearch("corpus", config, "--dump", tmp_path / "pages-articles.xml.bz2", "--root", tmp_path / "root")
    assert run.returncode == 2
    assert "pages-articles.xml.bz2" in run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert list((tmp_path / "root").glob("*/*/*/stage.json")) == []

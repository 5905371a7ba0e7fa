"""Several snapshots in one go: which are meant, and that one which fails stops no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from s3fs import S3FileSystem

from flows.backfill import backfill as several
from flows.selection import configured
from schemas.config import read_config
from schemas.errors import BadInput, Stopped
from tasks.dumps.dumps import find_dump
from tests.support.dumpfiles import page_xml, write_multistream

ROOT = Path(__file__).parents[2]
CONFIG = """
name: several
snapshot: enwiki-20240101
dump: {folder}/{{wiki}}/{{date}}/{{wiki}}-{{date}}-pages.xml.bz2
ramp: {{splits: held_out, min_words: 5}}
runtime: {{root: {folder}/root, workers: 1}}
"""
TEXT = "[[Ostel]] has 12,500 people and a harbour. It was founded in 1931 by [[Karlo Vint]] on the river."


@pytest.fixture
def config(tmp_path):
    for number, date in enumerate(("20240101", "20240201", "20240301")):
        folder = tmp_path / "enwiki" / date
        folder.mkdir(parents=True)
        pages = [page_xml(number + 1, "Old Town", TEXT.replace("12,500", f"12,50{number}"))]
        write_multistream(folder, [pages], with_index=False).rename(folder / f"enwiki-{date}-pages.xml.bz2")
    (tmp_path / "enwiki" / "20240201" / "enwiki-20240201-pages.xml.bz2").write_bytes(b"no bzip2")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def backfill(config, *words):
    command = [sys.executable, "-c", "from flows.cli import main; main()", "backfill", str(config), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def snapshots_in(said):
    return [line.strip("─ ") for line in said.splitlines() if line.startswith("─") and "enwiki-" in line]


def test_snapshots_are_named_or_found_by_their_dumps(config):
    named = backfill(config, "--snapshots", "enwiki-20240101", "enwiki-20240301", "--dry-run")
    assert snapshots_in(named.stdout) == ["enwiki-20240101", "enwiki-20240301"], named.stderr
    dated = backfill(config, "--since", "20240115", "--dry-run")
    assert snapshots_in(dated.stdout) == ["enwiki-20240201", "enwiki-20240301"], dated.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either --snapshots, or the dates"),
        (("--snapshots", "enwiki-20240101", "--since", "20240101"), "give either --snapshots, or the dates"),
        (("--since", "January"), "January: not a date: give eight digits"),
        (("--since", "20250101"), "no dump of enwiki exists from 20250101 to 99999999"),
        (("--snapshots", "november"), "wiki-YYYYMMDD"),
    ],
)
def test_options_that_choose_no_snapshot_are_bad_input(config, words, said):
    run = backfill(config, *words, "--dry-run")
    assert run.returncode == 2
    assert said in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_what_all_snapshots_lack_is_reported_before_the_first_is_built(config):
    config.write_text(config.read_text() + "teacher: {kind: multi_agent}\n")
    run = backfill(config, "--snapshots", "enwiki-20240101", "enwiki-20240301")
    assert run.returncode == 1
    assert "2 of 2 snapshots failed: enwiki-20240101: teacher.kind multi_agent needs" in run.stderr
    assert not (config.parent / "root").exists()


@pytest.mark.slow
def test_a_failure_does_not_stop_the_others_and_only_it_is_missing_then(config):
    run = backfill(config, "--until", "20240301")
    assert run.returncode == 1
    assert "1 of 3 snapshots failed: enwiki-20240201" in run.stderr
    root = config.parent / "root"
    for date in ("20240101", "20240301"):
        assert (root / f"enwiki-{date}" / "questions" / "v1" / "stage.json").exists(), run.stdout
    assert snapshots_in(backfill(config, "--until", "20240301", "--dry-run").stdout) == ["enwiki-20240201"]


def set_status(folder, **states):
    """Write Wikimedia's status of the dumps of these dates."""
    for date, state in states.items():
        date = date.removeprefix("of_")
        files = {f"enwiki-{date}-pages.xml.bz2": {}}
        status = {"jobs": {"articlesmultistreamdump": {"status": state, "files": files}}}
        (folder / "enwiki" / date / "dumpstatus.json").write_text(json.dumps(status))


def test_the_latest_snapshot_is_that_of_the_newest_complete_dump(config):
    assert configured(str(config), "latest").snapshot == "enwiki-20240301"
    set_status(config.parent, of_20240301="in-progress", of_20240101="done")
    assert configured(str(config), "latest").snapshot == "enwiki-20240101", "that of February is no bzip2"
    set_status(config.parent, of_20240101="waiting")
    with pytest.raises(BadInput, match=r"no complete dump of enwiki exists; the newest is incomplete: .*in-progress"):
        configured(str(config), "latest")


@pytest.mark.parametrize(
    ("of", "other", "said"),
    [
        ("snapshot: enwiki-20240101", "snapshot: dewiki-20240101", "no complete dump of dewiki exists$"),
        ("snapshot: enwiki-20240101", "", "the config must name a snapshot of the wiki"),
        ("{date}", "20240101", "write {date} in the path of the config's dump or corpus"),
    ],
)
def test_without_a_latest_snapshot_the_error_says_why(config, of, other, said):
    config.write_text(config.read_text().replace(of, other))
    with pytest.raises(BadInput, match=said):
        configured(str(config), "latest")


def test_a_store_without_access_is_one_line(config, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config.parent / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config.parent / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(S3FileSystem, "_cache", {})  # no store of another test is known here, nor this one there
    config.write_text(config.read_text().replace(f"dump: {config.parent}", "dump: s3://bucket"))
    with pytest.raises(BadInput, match="cannot be opened: Unable to locate credentials"):
        configured(str(config), "latest")
    with pytest.raises(BadInput, match="cannot be opened: Unable to locate credentials"):
        find_dump("s3://bucket/enwiki-20240101-pages.xml.bz2")


def test_the_monthly_deployment_builds_the_latest_snapshot_and_all_configs_exist():
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    parameters = {deployment["name"]: deployment["parameters"] for deployment in deployments}
    assert parameters["monthly"]["snapshot"] == "latest"
    for given in parameters.values():
        assert "snapshot" not in given or "{date}" in (read_config(ROOT / given["config"]).dump or "")


def test_stopping_one_run_stops_the_backfill(config, monkeypatch):
    begun = []

    def stopped(path, snapshot, *more):
        begun.append(snapshot)
        raise Stopped("the run was cancelled on its Prefect server")

    monkeypatch.setattr("flows.running.run", stopped)
    with pytest.raises(Stopped):
        several(str(config), ["enwiki-20240101", "enwiki-20240301"], None, None, None, "missing", False, Console())
    assert begun == ["enwiki-20240101"]

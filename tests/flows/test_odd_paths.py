"""Dumps, roots, passage files and indexes with names that contain special characters of other programs."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.dated_dumps import dated
from schemas.config import PipelineConfig
from tasks.dumps.dumps import find_dump
from tasks.pipeline.graph import make, stages_of
from tests.support.dumpfiles import page_xml, write_multistream

ODD = "a::b [1] #2?%20* ü"


def masksearch(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).parent / "masksearch", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    for date in ("20240101", "20240201"):
        folder = tmp_path / ODD / f"enwiki-{date}"
        folder.mkdir(parents=True)
        write_multistream(folder, [[page_xml(1, "A page", "Some text. " * 60)]])
    return tmp_path / ODD


def test_dates_are_found_below_an_odd_folder(dumps: Path) -> None:
    assert dated(f"{dumps}/enwiki-{{date}}", "enwiki") == ["20240101", "20240201"]
    assert dated(f"file://{dumps}/{{wiki}}-{{date}}", "enwiki") == ["20240101", "20240201"]


def test_the_corpus_of_a_dump_in_an_odd_folder_lies_in_an_odd_root(
    dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dumps.parent)
    config = PipelineConfig.model_validate(
        {
            "name": "odd",
            "snapshot": "enwiki-20240101",
            "dump": f"{ODD}/enwiki-{{date}}",
            "runtime": {"root": "runs::1/[x]", "workers": 1},
        }
    )
    assert config.dump_path is not None
    assert find_dump(config.dump_path).size > 0
    for stage in stages_of(config):
        make(config, stage, lambda progress: None)
        if stage.stage == "index":
            break
    assert {entry.name for entry in dumps.parent.iterdir()} == {ODD, "runs::1"}
    found = masksearch("search", "runs::1/[x]/enwiki-20240101/index/v1", "page", "--json", cwd=dumps.parent)
    assert [hit["passage_id"] for hit in json.loads(found.stdout)["hits"]] == ["1-0"], found.stderr


@pytest.mark.parametrize("name", ["a::b*.jsonl", "a[1].jsonl.gz", "file:x.jsonl"])
def test_passages_in_a_file_of_an_odd_name_become_an_index_of_an_odd_name(tmp_path: Path, name: str) -> None:
    line = json.dumps({"passage_id": "1-0", "title": "A", "text": "the words"}).encode() + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    built = masksearch("index", name, "--out", "in::dex [2]", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    found = masksearch("search", "in::dex [2]", "words", "--json", cwd=tmp_path)
    assert json.loads(found.stdout)["hits"][0]["passage_id"] == "1-0", found.stderr
    assert masksearch("status", "--root", "no::such", cwd=tmp_path).returncode == 2
    assert {entry.name for entry in tmp_path.iterdir()} == {name, "in::dex [2]"}

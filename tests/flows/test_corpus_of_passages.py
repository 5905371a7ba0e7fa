"""A corpus of passages in place of a dump, as a user runs it: to certified questions, planned, found by date."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.backfill import backfill
from flows.selection import configured
from schemas.errors import BadInput
from schemas.records import Passage, Question
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.ramp.question_counts import is_certified

ROOT = Path(__file__).parents[2]
CONFIG = """
name: real
snapshot: twowiki-20261101
corpus: {{passages: '{folder}/{{wiki}}-{{date}}.jsonl.gz', part_rows: 400}}
ramp: {{splits: held_out, min_words: 30, held_out_share: 0.1}}
agent: {{hold_back: page}}
runtime: {{root: {folder}/root, workers: 1}}
"""


def masksearch(*words: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "masksearch", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def written(folder: Path, date: str = "20261101", lines: str = '{"id": 1, "text": "One."}\n') -> Path:
    """A config, and a corpus of that date."""
    (folder / f"twowiki-{date}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(folder=folder))
    return path


@pytest.mark.slow
def test_a_real_corpus_becomes_certified_questions_and_a_second_run_builds_nothing(
    tmp_path: Path, test_data: Path
) -> None:
    corpus = json.loads((test_data / "qa/2wiki/2wikimultihopqa_corpus.json").read_text())[:1000]
    lines = (json.dumps({"id": n, "contents": f'"{row["title"]}"\n{row["text"]}'}) for n, row in enumerate(corpus))
    config = written(tmp_path, lines="\n".join(lines))
    planned = {row["stage"]: row["action"] for row in json.loads(masksearch("plan", config, "--json").stdout)}
    assert planned == dict.fromkeys(("corpus/v1", "passages/v1", "index/v1", "spans/v1", "questions/v1"), "built")
    run = masksearch("ramp", config)
    assert run.returncode == 0, run.stdout + run.stderr
    ledger = Ledger(str(tmp_path / "root"), "twowiki-20261101")
    paths = ledger.data_paths("passages", "v1")
    assert len(paths) == 3
    assert {row.title for path in paths for row in storage.read_rows(path, Passage)} == {row["title"] for row in corpus}
    questions = [row for path in ledger.data_paths("questions", "v1") for row in storage.read_rows(path, Question)]
    assert {"entity", "date"} <= {mask.kind for row in questions for mask in row.masks}
    assert any(is_certified(row) for row in questions)
    assert "all 5 stages are built" in masksearch("ramp", config).stdout
    assert "corpus/v1" in masksearch("status", "--root", tmp_path / "root").stdout


def test_snapshots_of_a_corpus_are_found_by_their_date(tmp_path: Path) -> None:
    written(tmp_path, "20261001")
    config = written(tmp_path)
    assert configured(str(config), "latest").snapshot == "twowiki-20261101"
    with pytest.raises(BadInput, match="no corpus of twowiki exists from 20270101"):
        backfill(str(config), [], "20270101", None, None, "missing", True, None)  # type: ignore[arg-type]


def test_the_snapshot_may_be_the_name_of_the_file(tmp_path: Path) -> None:
    config = written(tmp_path)
    text = CONFIG.replace("snapshot: twowiki-20261101\n", "").format(folder=tmp_path)
    config.write_text(text.replace("{wiki}-{date}", "twowiki-20261101"))
    assert configured(str(config)).snapshot == "twowiki-20261101"
    config.write_text(text.replace("{wiki}-{date}", "passages"))
    with pytest.raises(BadInput, match=r"does not begin with a snapshot .*: set snapshot in the config"):
        configured(str(config))


def test_a_dump_on_the_command_line_replaces_the_corpus(tmp_path: Path) -> None:
    settings = configured(str(written(tmp_path)), dump="enwiki.xml.bz2")
    assert (settings.corpus, settings.dump) == (None, "enwiki.xml.bz2")

"""`masksearch plan` shows hours from an acceptance and names it; without an acceptance it says how to get one."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from flows.planning import plan
from flows.selection import configured
from schemas.acceptance import Acceptance, Item, Rates
from schemas.errors import BadInput
from tasks.pipeline.graph import make, stages_of
from tests.support.dumpfiles import page_xml, write_multistream

ROOT = Path(__file__).parents[2]
SAMPLE = str(ROOT / "deploy/configs/sample.yaml")
ACCEPTANCE = Acceptance(
    config="sample",
    size="tiny",
    finished="2026-11-27T01:40:00+00:00",
    seconds=400.0,
    commit="abc",
    devices=["2 ranks on a CPU"],
    items=[Item(name="SFT", outcome="pass", detail="fast", value=1000.0, unit="tokens/s")],
    rates=Rates(
        parameters=470_000,
        accelerator="CPU",
        training_devices=2,
        engine_devices=2,
        engines=1,
        together=True,
        training_tokens_per_second=1000.0,
        generated_tokens_per_second=500.0,
        update_seconds=0.1,
    ),
)


def printed(root, as_json=False):
    text = io.StringIO()
    plan(SAMPLE, None, str(root), None, as_json, Console(file=text, width=250))
    return text.getvalue()


def rows_of(root, capsys):
    printed(root, as_json=True)
    return {row["stage"]: row for row in json.loads(capsys.readouterr().out)}


def test_without_an_acceptance_there_are_rows_and_tokens_and_the_way_to_hours(tmp_path, capsys):
    assert "run `masksearch accept` with this config to measure rates" in printed(tmp_path)
    rows = rows_of(tmp_path, capsys)
    assert rows["models/ramp-sft"]["tokens"] == 3000 * 2048
    assert rows["trajectories/ramp-evolved"]["rows"] == 1024
    assert rows["models/ramp-sft"]["hours"] is None


def test_a_reason_to_refuse_a_run_is_shown_and_is_not_an_error(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"extends: {SAMPLE}\nmodel: {{path: /no/such}}\n")
    text = io.StringIO()
    plan(str(config), None, str(tmp_path / "root"), None, False, Console(file=text, width=250))
    assert "a run would be refused on this machine: model.path /no/such: no such folder" in text.getvalue()
    assert "refused on this machine" not in printed(tmp_path)


@pytest.fixture
def without_its_set(tmp_path: Path) -> str:
    config = tmp_path / "config.yaml"
    config.write_text(f"extends: {SAMPLE}\nsets: {{quiz: {{path: {tmp_path}/quiz.json, split: test}}}}\n")
    return str(config)


def test_a_missing_question_set_is_an_error_after_the_table(tmp_path, capsys, without_its_set):
    text = io.StringIO()
    with pytest.raises(BadInput, match=r"^sets\.quiz\.path .*/quiz\.json: no such file: check the path$"):
        plan(without_its_set, None, str(tmp_path / "root"), None, False, Console(file=text, width=250))
    assert "questions/quiz" in text.getvalue() and "refused on this machine" not in text.getvalue()
    with pytest.raises(BadInput, match="no such file"):
        plan(without_its_set, None, str(tmp_path / "root"), None, True, Console(file=text))
    assert "questions/quiz" in {row["stage"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_breaks_cells_and_cuts_none(tmp_path, width):
    text = io.StringIO()
    plan(SAMPLE, None, str(tmp_path), None, False, Console(file=text, width=width))
    table = text.getvalue().partition("no hours")[0]
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= width


def test_output_into_a_pipe_is_as_wide_as_it_needs_to_be(tmp_path):
    main = [sys.executable, "-c", "from flows.cli import main; main()", "plan", SAMPLE, "--root", str(tmp_path)]
    bare = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    printed = subprocess.run(main, cwd=ROOT, capture_output=True, text=True, check=True, env=bare).stdout
    (line,) = [line for line in printed.splitlines() if "answers/ramp.ramp-rl.random" in line]
    assert "its inputs are not built yet" in line and "1,280" in line
    assert "(acceptance.json under the root)" in printed, "no line is broken"


def test_hours_are_those_of_the_last_acceptance_scaled_by_parameters(tmp_path, capsys):
    (tmp_path / "acceptance.json").write_text(ACCEPTANCE.model_dump_json())
    words = printed(tmp_path)
    assert "acceptance of 2026-11-27 01:40 UTC, size tiny, scaled by parameters from 470,000 to" in words
    assert "far too high, because the tested model is tiny" in words
    assert "CPU-hours" in words
    rows = rows_of(tmp_path, capsys)
    # Four layers of 128 with four heads and 384 within, 1,000 ids: 984,192 parameters.
    layer = 128 * 128 * 4 + 3 * 128 + 3 * 128 * 384 + 2 * 128
    scale = (4 * layer + 128 + 1000 * 128) / 470_000
    hours = 3000 * 2048 * scale / 1000 / 3600
    assert abs(rows["models/ramp-sft"]["hours"] - hours) < 1e-6
    assert abs(rows["models/ramp-sft"]["device_hours"] - 2 * hours) < 1e-6
    assert rows["pages/v1"]["hours"] is None, "nothing was measured that tells"


def test_an_acceptance_of_another_version_is_ignored(tmp_path):
    (tmp_path / "acceptance.json").write_text('{"size": "tiny"}')
    assert "to measure rates" in printed(tmp_path)


CONFIG = """
name: monthly
snapshot: enwiki-{date}
dump: {folder}/{{wiki}}-{{date}}-pages.xml.bz2
ramp: {{splits: held_out}}
runtime: {{root: {folder}/root, workers: 1}}
"""


def test_data_stages_take_what_they_took_for_the_last_snapshot_in_proportion_to_the_dumps(tmp_path, capsys):
    size = {}
    for date, pages in (("20240101", 3), ("20240201", 40)):
        streams = [[page_xml(number + 1, f"Town {number}", f"It has {number} mills. ")] for number in range(pages)]
        dump = tmp_path / f"enwiki-{date}-pages.xml.bz2"
        write_multistream(tmp_path, streams, with_index=False).rename(dump)
        size[date] = dump.stat().st_size
        (tmp_path / f"{date}.yaml").write_text(CONFIG.format(date=date, folder=tmp_path))
    first, second = configured(str(tmp_path / "20240101.yaml")), str(tmp_path / "20240201.yaml")
    made = {str(stage): make(first, stage, lambda progress: None) for stage in stages_of(first)[:4]}
    growth = size["20240201"] / size["20240101"]
    plan(second, None, None, None, True, Console(file=io.StringIO()))
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)}
    pages = rows["pages/v1"]
    assert (pages["rows"], pages["bytes"]) == (round(3 * growth), round(made["pages/v1"].bytes * growth))
    assert pages["hours"] == made["pages/v1"].seconds * growth / 3600
    assert (pages["precedent"], rows["index/v1"]["precedent"]) == ("enwiki-20240101", None)
    other = tmp_path / "other.yaml"
    other.write_text("extends: 20240201.yaml\npages: {list_pages: dropped}\n")
    plan(str(other), None, None, None, True, Console(file=io.StringIO()))
    changed = {row["stage"]: row for row in json.loads(capsys.readouterr().out)}
    assert changed["redirects/v1"]["precedent"] and changed["pages/v1"]["precedent"] is None, "made in another way"
    text = io.StringIO()
    plan(second, None, None, None, False, Console(file=text, width=250))
    assert (
        f"are those of enwiki-20240101, for data stages times {growth:.3g}, the growth of the input" in text.getvalue()
    )

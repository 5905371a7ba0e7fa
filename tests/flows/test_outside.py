"""All commands agree about a stage whose dump has changed or is gone."""

import io
import json

import pytest
from rich.console import Console

from flows.backfill import backfill
from flows.overview import status
from flows.planning import plan
from flows.running import run
from flows.selection import configured
from schemas.errors import BadInput, RunFailed
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import make, stages_of
from tests.support.dumpfiles import SNAPSHOT, page_xml, write_multistream

CONFIG = """
name: outside
dump: {dump}
runtime: {{root: {root}, workers: 1}}
"""


@pytest.fixture
def dump(tmp_path):
    return write_multistream(tmp_path, [[page_xml(1, "Old Town", "It is old.")]])


@pytest.fixture
def config(tmp_path, dump):
    """Of a pipeline that is built until its redirects."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(dump=dump, root=tmp_path / "root"))
    settings = configured(str(path))
    for stage in stages_of(settings)[:2]:
        make(settings, stage, lambda progress: None)
    return str(path)


def silent():
    return Console(file=io.StringIO(), width=250)


def planned(config, capsys):
    plan(config, None, None, None, True, silent())
    return {row["stage"]: (row["action"], row["why"]) for row in json.loads(capsys.readouterr().out)}


def states(tmp_path, capsys):
    status(str(tmp_path / "root"), True, silent())
    return {row["stage"]: (row["state"], row["changed"]) for row in json.loads(capsys.readouterr().out)}


def test_all_commands_report_a_changed_dump(config, dump, tmp_path, capsys):
    assert planned(config, capsys)["dump/v1"][0] == "skipped"
    assert states(tmp_path, capsys) == {"dump": ("finished", ""), "redirects": ("finished", "")}
    write_multistream(tmp_path, [[page_xml(1, "Old Town", "It is old, and was built anew.")]])
    changed = f"the dump had .* bytes, {dump} has "
    with pytest.raises(BadInput, match=changed):
        run(config, None, None, None, None, silent())
    action, why = planned(config, capsys)["dump/v1"]
    state, what = states(tmp_path, capsys)["dump"]
    assert (action, state) == ("refused", "outdated")
    assert why == what and why.startswith("the dump had ")
    table = Console(file=io.StringIO(), width=250)
    status(str(tmp_path / "root"), False, table)
    assert f"outdated: {what}" in table.file.getvalue()


def test_no_command_needs_a_dump_that_is_gone_even_for_the_snapshot_s_name(config, dump, tmp_path, capsys):
    dump.unlink()
    assert planned(config, capsys)["dump/v1"][0] == "skipped"
    assert states(tmp_path, capsys)["dump"] == ("finished", "")


def test_a_backfill_includes_a_snapshot_whose_dump_has_changed(tmp_path):
    path, root = tmp_path / "config.yaml", tmp_path / "root"
    path.write_text(CONFIG.format(dump=f"{tmp_path}/{{wiki}}-{{date}}-pages-articles-multistream.xml.bz2", root=root))
    write_multistream(tmp_path, [[page_xml(1, "Old Town", "It is old.")]])
    settings = configured(str(path), SNAPSHOT)
    ledger, (of_dump, *others) = Ledger(str(root), SNAPSHOT), stages_of(settings)
    make(settings, of_dump, lambda progress: None)
    for stage in others:
        recipe = stage.recipe(ledger)
        assert recipe is not None
        ledger.open(recipe).finish(rows=0)
    console = silent()
    backfill(str(path), [SNAPSHOT], None, None, None, "missing", False, console)
    assert "no stage is missing" in console.file.getvalue()
    write_multistream(tmp_path, [[page_xml(1, "Old Town", "It is old, and was built anew.")]])
    with pytest.raises(
        RunFailed, match=r"1 of 1 snapshots failed: .*dump/v1 was built with other inputs or settings: the dump had"
    ):
        backfill(str(path), [SNAPSHOT], None, None, None, "missing", False, silent())

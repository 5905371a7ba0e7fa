import time
from pathlib import Path

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.manifest import Gate, Recipe, Upstream
from schemas.records import Redirect, Reject
from tasks.ledger.ledger import Ledger, differences

SNAPSHOT = "enwiki-20261101"


def recipe(version=1, upstream="abc", **settings):
    upstreams = [Upstream(stage="dump", label="v1", digest=upstream)]
    return Recipe(
        stage="pages",
        label="v1",
        snapshot=SNAPSHOT,
        version=version,
        settings=settings,
        given=settings,
        upstreams=upstreams,
    )


def row(title):
    return Redirect(snapshot=SNAPSHOT, title=title, target="x")


def failed(row_id):
    return Reject(snapshot=SNAPSHOT, row_id=row_id, reason="search failed", failed=True, detail="")


def commit(opened, key, titles, rejects=()):
    return opened.parts(Redirect).commit(key, [row(t) for t in titles], list(rejects), {}, time.time())


def test_a_part_is_done_only_with_its_manifest_and_its_whole_data(tmp_path):
    opened = Ledger(str(tmp_path), SNAPSHOT).open(recipe())
    for key in ("0", "1", "2"):
        commit(opened, key, ["a", "b"])
    folder = Path(opened.folder)
    (folder / "part-1.json").unlink()
    data = folder / "part-2.parquet"
    data.write_bytes(data.read_bytes()[:-10])
    assert list(opened.parts(Redirect).done()) == ["0"]


def test_a_stage_adds_up_its_parts_and_can_be_read_back(tmp_path):
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    opened = ledger.open(recipe())
    parts = {key: commit(opened, key, ["a"] * n, [failed("x")] * n) for key, n in (("0", 2), ("1", 3))}
    assert ledger.manifest("pages", "v1") is None
    opened.finish(parts=parts)
    manifest = ledger.manifest("pages", "v1")
    assert manifest is not None
    assert (manifest.rows, manifest.rejects, manifest.failed) == (5, {"search failed": 5}, 5)
    assert [Path(path).name for path in ledger.data_paths("pages", "v1")] == ["part-0.parquet", "part-1.parquet"]


@pytest.mark.parametrize("name", ["recipe.json", "stage.json", "part-0.json"])
def test_a_damaged_document_is_told_by_its_path_and_can_be_removed(tmp_path, name):
    ledger = Ledger(str(tmp_path), SNAPSHOT)

    def made():
        opened = ledger.open(recipe())
        parts = opened.parts(Redirect).done() or {"0": commit(opened, "0", ["a"])}
        return ledger.manifest("pages", "v1") or opened.finish(parts=parts)

    digest = made().digest
    path = Path(ledger.folder("pages", "v1")) / name
    path.write_text(path.read_text()[:50])
    with pytest.raises(BadInput, match=rf"pages/v1/{name}: damaged.*: remove it and run again"):
        made()
    path.unlink()
    assert made().digest == digest


def test_a_broken_gate_leaves_the_stage_unfinished(tmp_path):
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    opened = ledger.open(recipe())
    gate = Gate(name="has rows", holds=False, detail="0 rows")
    with pytest.raises(RunFailed, match="pages/v1 did not pass its gates: has rows: 0 rows"):
        opened.finish(parts={"0": commit(opened, "0", [])}, gates=[gate])
    assert ledger.manifest("pages", "v1") is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (recipe(a=2), "a was 1, is 2"),
        (recipe(a=1, b={"c": 3}), "b.c was 'not set', is 3"),
        (recipe(a=1, upstream="def"), "upstream dump/v1 has changed"),
        (recipe(a=1, version=2), "code was version 1, is 2"),
    ],
)
def test_the_same_label_made_otherwise_is_refused_and_says_what_differs(tmp_path, other, said):
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    ledger.open(recipe(a=1))
    with pytest.raises(BadInput) as caught:
        ledger.open(other, "pages")
    assert said in str(caught.value)
    assert "another label (labels: {pages: …})" in str(caught.value)
    ledger.open(recipe(a=1))


@pytest.mark.parametrize("place", ["disk", "object store"])
def test_of_two_runs_that_begin_a_stage_at_one_moment_the_second_is_held_to_the_first_ones_recipe(
    tmp_path, monkeypatch, place
):
    root = str(tmp_path) if place == "disk" else f"memory://{tmp_path.name}"
    first, second, look = Ledger(root, SNAPSHOT), Ledger(root, SNAPSHOT), Ledger.recipe

    def look_while_the_first_begins(ledger, stage, label):
        found = look(ledger, stage, label)
        if ledger is second and found is None:
            first.open(recipe(a=1))
        return found

    monkeypatch.setattr(Ledger, "recipe", look_while_the_first_begins)
    with pytest.raises(BadInput, match="a was 1, is 2"):
        second.open(recipe(a=2))
    assert look(second, "pages", "v1") == recipe(a=1)
    second.open(recipe(a=1))


def test_recipes_that_are_equal_have_no_differences():
    assert differences(recipe(a=1), recipe(a=1)) == []


def test_the_digest_of_a_stage_tells_its_content_and_not_when_it_was_made(tmp_path):
    digests = []
    for root, titles in (("a", ["x"]), ("b", ["x"]), ("c", ["y"])):
        opened = Ledger(str(tmp_path / root), SNAPSHOT).open(recipe())
        digests.append(opened.finish(parts={"0": commit(opened, "0", titles)}).digest)
    assert digests[0] == digests[1] != digests[2]

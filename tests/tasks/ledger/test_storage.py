import subprocess
import sys

import pytest

from schemas.arrow import table_of
from schemas.errors import BadInput
from schemas.records import Redirect
from tasks.ledger import storage
from tests.support.object_store import put, serving_bucket


def rows(count):
    return [Redirect(snapshot="enwiki-20261101", title=f"t{n}", target="x") for n in range(count)]


def test_rows_come_back_in_order_and_bytes_are_the_same_for_the_same_rows(tmp_path):
    path = str(tmp_path / "a" / "part.parquet")
    first = storage.write_rows(path, Redirect, rows(3000))
    assert list(storage.read_rows(path, Redirect)) == rows(3000)
    assert storage.write_rows(str(tmp_path / "b.parquet"), Redirect, rows(3000)) == first
    assert storage.write_rows(str(tmp_path / "c.parquet"), Redirect, iter(rows(3000))) == first
    assert storage.parquet_bytes(table_of(Redirect, rows(3000))) == first, "however many are gathered at once"


def test_a_write_that_is_killed_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    dies_before_renaming = (
        "import os, pathlib; from tasks.ledger import storage\n"
        "pathlib.Path.replace = lambda self, target: os._exit(9)\n"
        f"storage.write_bytes({str(path)!r}, b'new' * 1000)\n"
    )
    run = subprocess.run([sys.executable, "-c", dies_before_renaming], check=False)
    assert run.returncode == 9
    assert path.read_bytes() == b"old"
    assert storage.read_bytes(str(path)) == b"old"


def test_an_object_store_is_written_and_listed_the_same_way():
    root = "memory://bucket/run"
    storage.write_rows(f"{root}/pages/part-0.parquet", Redirect, rows(2))
    assert storage.names_in(f"{root}/pages") == ["part-0.parquet"]
    assert list(storage.read_rows(f"{root}/pages/part-0.parquet", Redirect)) == rows(2)
    storage.remove(root)
    assert not storage.exists(f"{root}/pages/part-0.parquet")
    assert storage.names_in(f"{root}/pages") == []


def test_a_file_is_no_folder_and_neither_is_nothing(tmp_path):
    storage.write_bytes(str(tmp_path / "file"), b"x")
    assert storage.names_in(str(tmp_path / "file")) == []
    assert storage.names_in(str(tmp_path / "nowhere")) == []


def test_what_another_process_writes_is_seen_at_once_however_often_its_folder_was_listed():
    with serving_bucket() as bucket:
        folder = f"{bucket}/run/pages"
        storage.write_bytes(f"{folder}/part-0.json", b"own")
        for number, content in enumerate([b"one", b"another, longer"], 1):
            path = f"{folder}/rejects-{number}.parquet"
            storage.names_in(folder)
            assert not storage.exists(path)
            put(path, content)
            assert storage.exists(path)
            assert storage.read_bytes(path) == content
            assert storage.size_of(path) == len(content)
            with storage.opened(path) as file:
                assert file.read() == content
        storage.names_in(folder)
        put(f"{folder}/part-0.json", b"replaced")
        assert storage.digest_of_file(f"{folder}/part-0.json") == storage.digest_of_bytes(b"replaced")


def test_of_many_who_create_an_object_one_alone_does():
    with serving_bucket() as bucket:
        assert storage.create(f"{bucket}/lease", b"first")
        assert not storage.create(f"{bucket}/lease", b"second")
        assert storage.read_bytes(f"{bucket}/lease") == b"first"


def test_what_can_be_no_root_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    storage.refuse_no_folder(str(tmp_path))
    storage.refuse_no_folder(str(tmp_path / "new" / "folder"))
    storage.refuse_no_folder("memory://nothing/there")
    for path, said in (("file", "this is a file"), ("file/below", "a parent of this path is a file")):
        with pytest.raises(BadInput, match=said):
            storage.refuse_no_folder(str(tmp_path / path))
    with pytest.raises(BadInput, match="foo://bucket: cannot be opened"):
        storage.refuse_no_folder("foo://bucket")


def test_where_no_folder_can_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be created"):
        storage.write_bytes(str(tmp_path / "file" / "a.json"), b"{}")


@pytest.mark.parametrize("damage", ["cut off", "its middle"])
def test_damaged_parquet_is_told_with_its_path_and_what_to_do(tmp_path, damage):
    path = tmp_path / "part-a.parquet"
    data = storage.write_rows(str(path), Redirect, rows(3000))
    path.write_bytes(data[:100] if damage == "cut off" else data[:4] + b"\xff" * 4000 + data[4004:])
    with pytest.raises(BadInput, match=r"part-a\.parquet: damaged .* remove it and the stage\.json beside it"):
        list(storage.read_rows(str(path), Redirect))
    with pytest.raises(BadInput, match="damaged"):
        storage.read_table(str(path))


ODD_NAMES = [
    "a::b",
    "memory::x",
    "file:x",
    "local:x",
    "# 1?%20",
    "all*[0-9]",
    "{b,c}",
    "ü 水",
    "a\tb",
    "~",
    "a::b.jsonl.gz",
]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("is_relative", [True, False])
def test_a_local_path_is_taken_as_it_is_written(tmp_path, monkeypatch, name, is_relative):
    monkeypatch.chdir(tmp_path)
    root = name if is_relative and name != "~" else str(tmp_path / name)
    path = storage.join(root, "pages", "v1", "part-0.parquet")
    storage.make_root(root)
    storage.write_rows(path, Redirect, rows(2))
    assert (tmp_path / name / "pages" / "v1" / "part-0.parquet").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == [name], "nothing is made anywhere else"
    assert storage.names_in(storage.join(root, "pages", "v1")) == ["part-0.parquet"]
    assert [found for found, _ in storage.tree_of(root)] == ["pages/v1/part-0.parquet"]
    assert list(storage.read_rows(path, Redirect)) == rows(2)
    assert storage.create(storage.join(root, "lease"), b"x")
    assert storage.kind_of(f"{root}/") == "directory"
    storage.remove(root)
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_from_a_store_is_no_pattern():
    for name in ("a[1]", "a1", "b*", "bc"):
        storage.write_bytes(f"memory://odd/{name}/x", b"x")
    storage.remove("memory://odd/a[1]")
    storage.remove("memory://odd/b*")
    assert storage.exists("memory://odd/a1/x")
    assert storage.exists("memory://odd/bc/x")
    assert not storage.exists("memory://odd/a[1]/x")
    assert not storage.exists("memory://odd/b*/x")
    storage.remove("memory://odd")

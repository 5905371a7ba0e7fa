"""An index is whole or absent, and a damaged index is reported in one line."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval_index.folder import read_info
from retrieval_index.hits import Query
from retrieval_index.opening import build_index, open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput

PASSAGES = [(f"{n}-0", f"Title {n}", f"text number {n}") for n in range(50)]

BUILD_AND_HANG = """
import sys, time
from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings

def passages():
    for n in range(5000):
        yield f"{n}-0", "title", "text"
    print("half", flush=True)
    time.sleep(600)

build_index(passages(), sys.argv[1], IndexSettings())
"""


@pytest.fixture
def copy(index: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(index, tmp_path / "copy"))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def largest(folder: Path) -> Path:
    return max((folder / "lucene").iterdir(), key=lambda path: path.stat().st_size)


def test_the_seal_says_what_is_in_it(tmp_path: Path) -> None:
    out = tmp_path / "index"
    info = build_index(PASSAGES, str(out), IndexSettings())
    assert info == read_info(str(out))
    assert info.documents == 50
    assert info.bytes == sum(path.stat().st_size for path in (out / "lucene").iterdir())
    assert names_in(tmp_path) == ["index"]


def test_the_digest_depends_on_passages_and_not_on_the_build(tmp_path: Path) -> None:
    one = build_index(PASSAGES, str(tmp_path / "one"), IndexSettings(), threads=1)
    again = build_index(iter(PASSAGES), str(tmp_path / "again"), IndexSettings(), threads=3)
    shifted = [("0-0", "Title 0t", "ext number 0"), *PASSAGES[1:]]
    other = build_index(shifted, str(tmp_path / "other"), IndexSettings())
    assert one.digest == again.digest != other.digest


def test_a_killed_build_leaves_no_index_and_the_next_one_succeeds(tmp_path: Path) -> None:
    out = tmp_path / "index"
    command = [sys.executable, "-c", BUILD_AND_HANG, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "half\n"
        with pytest.raises(BadInput, match="another process is building this index"):
            build_index(PASSAGES, str(out), IndexSettings())
        builder.send_signal(signal.SIGKILL)
    with pytest.raises(BadInput, match="no such index"):
        open_index(str(out))
    build_index(PASSAGES, str(out), IndexSettings())
    assert len(open_index(str(out)).search([Query("text")], 100)[0]) == 50
    assert names_in(tmp_path) == ["index"]


def test_one_builder_at_a_time(tmp_path: Path) -> None:
    out, begun, go_on = str(tmp_path / "index"), threading.Event(), threading.Event()

    def slow() -> Iterator[tuple[str, str, str]]:
        begun.set()
        assert go_on.wait(30)
        yield from PASSAGES

    first = threading.Thread(target=build_index, args=(slow(), out, IndexSettings()))
    first.start()
    assert begun.wait(30)
    with pytest.raises(BadInput, match="building this index"):
        build_index(PASSAGES, out, IndexSettings())
    go_on.set()
    first.join()
    assert read_info(out).documents == 50


def test_an_error_in_the_stream_reaches_the_caller_and_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[str, str, str]]:
        yield from PASSAGES
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_index(failing(), str(tmp_path / "index"), IndexSettings())
    assert names_in(tmp_path) == []


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    out = tmp_path / "index"
    first = build_index(PASSAGES, str(out), IndexSettings())
    assert build_index(PASSAGES, str(out), IndexSettings()) == first, "the same index is left as it is"
    with pytest.raises(BadInput, match="other passages"):
        build_index(PASSAGES[:9], str(out), IndexSettings())
    with pytest.raises(BadInput, match="other settings"):
        build_index(PASSAGES, str(out), IndexSettings(k1=2))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(BadInput, match="is not an index"):
        build_index(PASSAGES, str(tmp_path / "notes"), IndexSettings())
    with pytest.raises(BadInput, match="local disk"):
        build_index(PASSAGES, "s3://bucket/index", IndexSettings())
    assert read_info(str(out)) == first
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


def test_damage_that_changes_a_size(copy: Path) -> None:
    largest(copy).write_bytes(largest(copy).read_bytes()[:-1])
    with pytest.raises(BadInput, match=r"damaged, lucene/.* bytes instead of"):
        open_index(str(copy))
    largest(copy).unlink()
    with pytest.raises(BadInput, match="is missing"):
        open_index(str(copy))


def test_damage_that_only_checksums_detect(copy: Path) -> None:
    path = largest(copy)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"content of lucene/.* has changed"):
        open_index(str(copy), verify=True)


def test_damage_that_lucene_detects(copy: Path) -> None:
    seal = copy / "index.json"
    info = json.loads(seal.read_text())
    for name in info["files"]:
        (copy / name).write_bytes(bytes(info["files"][name]["size"]))
    with pytest.raises(BadInput, match=r"damaged, Lucene says \w+") as error:
        open_index(str(copy))
    assert "\n" not in str(error.value)


def test_an_index_of_fewer_documents_than_sealed(copy: Path) -> None:
    seal = copy / "index.json"
    seal.write_text(seal.read_text().replace('"documents": 6', '"documents": 7'))
    with pytest.raises(BadInput, match="holds 6 of 7 passages"):
        open_index(str(copy))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "not an index, or an unfinished one"),
        ("{", "damaged"),
        ("{}", "damaged"),
        ("format", "the index has format 99"),
    ],
)
def test_a_folder_without_a_valid_seal_is_refused(copy: Path, content: str | None, line: str) -> None:
    seal = copy / "index.json"
    if content is None:
        seal.unlink()
    else:
        seal.write_text(seal.read_text().replace('"format": 1', '"format": 99') if content == "format" else content)
    with pytest.raises(BadInput, match=line):
        open_index(str(copy))

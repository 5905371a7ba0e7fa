"""Where a dump is stored (HTTP, object stores), the facts published in its folder, and which snapshot it is."""

import hashlib
import json
from pathlib import Path

import fsspec
import pytest

from flows.selection import configured
from schemas.config import read_config
from schemas.errors import BadInput, RunFailed
from tasks.corpus.pages import read_pages
from tasks.dumps.dumps import cut, find_dump
from tasks.pipeline.graph import make, stages_of
from tests.support.dumpfiles import SNAPSHOT, page_xml, pages_of, write_multistream
from tests.support.file_server import serving_files

STREAMS = [[page_xml(10 * s + p, f"Page {s}.{p}", f"Text {s} {p}. " * 60) for p in range(3)] for s in range(1, 4)]


def rows_of(path: str) -> list:
    return [row for part in cut(find_dump(path), 1e-6) for row in read_pages(part, SNAPSHOT)]


def write_status(dump: Path, status: str = "done", **changed: object) -> None:
    content = dump.read_bytes()
    listed = {"size": len(content), "sha1": hashlib.sha1(content).hexdigest(), "url": "/x", "md5": "y", **changed}
    job = {"status": status, "updated": "2024-01-03 01:00:00", "files": {dump.name: listed}}
    document = {"version": "0.8", "jobs": {"articlesmultistreamdumprecombine": job, "other": {"status": "waiting"}}}
    dump.with_name("dumpstatus.json").write_text(json.dumps(document))


# -- storage --------------------------------------------------------------------------------------------------------


def test_a_dump_on_a_web_server_is_read_in_ranges_by_file_and_by_folder(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    with serving_files(tmp_path) as (address, failures):
        assert rows_of(f"{address}/{path.name}") == pages_of(path)
        assert [part.key for part in cut(find_dump(f"{address}/"), 1e-6)] == [
            part.key for part in cut(find_dump(str(path)), 1e-6)
        ]
        assert failures.asked > 4
        with pytest.raises(BadInput, match="no such dump"):
            find_dump(f"{address}/another.xml.bz2")


def test_a_read_that_fails_is_tried_again_and_never_taken_for_damage(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    with serving_files(tmp_path) as (address, failures):
        parts = cut(find_dump(f"{address}/{path.name}"), 1e-6)
        failures.left = 2
        assert list(read_pages(parts[1], SNAPSHOT)) == pages_of(path)[:3]
        failures.left = 10_000
        with pytest.raises(RunFailed, match="cannot be read at byte") as error:
            list(read_pages(parts[1], SNAPSHOT))
        assert "\n" not in str(error.value)


def test_a_server_without_ranges_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    with serving_files(tmp_path, ranges=False) as (address, _), pytest.raises(BadInput, match="copy it first") as error:
        rows_of(f"{address}/{path.name}")
    assert "\n" not in str(error.value)


def test_a_dump_in_an_object_store_is_read_like_a_local_one(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    store = fsspec.filesystem("memory")
    store.put(f"{tmp_path}/", "/dumps/enwiki/", recursive=True)
    assert rows_of(f"memory://dumps/enwiki/{path.name}") == rows_of("memory://dumps/enwiki") == pages_of(path)
    store.rm("/dumps", recursive=True)


# -- published sizes and sums ---------------------------------------------------------------------------------------


def test_a_file_that_differs_from_its_published_size_or_sum_is_refused(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    write_status(path)
    digest = find_dump(str(tmp_path)).digest
    write_status(path, size=12)
    with pytest.raises(BadInput, match=r"dumpstatus.json lists 12; fetch it again"):
        find_dump(str(path))
    write_status(path, sha1="0" * 40)
    with pytest.raises(BadInput, match=r"its sha1 is .* published sha1 is 0{40}"):
        _ = find_dump(str(path)).digest
    write_status(path, status="in-progress")
    with pytest.raises(BadInput, match=r"its status in dumpstatus.json is in-progress; wait until it is done"):
        find_dump(str(path))
    (tmp_path / "dumpstatus.json").write_text("{")
    with pytest.raises(BadInput, match=r"dumpstatus.json: cannot be read") as error:
        find_dump(str(path))
    assert "\n" not in str(error.value)
    (tmp_path / "dumpstatus.json").unlink()
    assert find_dump(str(tmp_path)).digest == digest


@pytest.mark.parametrize("name", ["sha1sums-{file}.txt", "enwiki-20240101-sha1sums.txt", "sha1sums.txt"])
def test_lists_of_sha1_sums_are_checked(tmp_path: Path, name: str) -> None:
    path = write_multistream(tmp_path, STREAMS)
    listing = tmp_path / name.format(file=path.name)
    listing.write_text(f"{hashlib.sha1(path.read_bytes()).hexdigest()}  {path.name}\n{'1' * 40}  another.bz2\n")
    assert find_dump(str(path)).digest
    listing.write_text(f"{'1' * 40}  {path.name}\n")
    with pytest.raises(BadInput, match="its sha1 is"):
        _ = find_dump(str(path)).digest


def test_a_folder_that_lacks_a_part_of_its_dump_is_refused(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS, with_index=False)
    first = path.rename(tmp_path / "enwiki-20240101-pages-articles1.xml-p1p41242.bz2")
    second = "enwiki-20240101-pages-articles2.xml-p41243p151573.bz2"
    files = {first.name: {"size": first.stat().st_size}, second: {"size": 5}, "enwiki-20240101-x-index.txt.bz2": {}}
    job = {"status": "done", "files": files}
    (tmp_path / "dumpstatus.json").write_text(json.dumps({"jobs": {"articlesdump": job}}))
    with pytest.raises(BadInput, match=f"{second}: missing"):
        find_dump(str(tmp_path))
    assert find_dump(str(first)).files, "a single file may be read alone"


def test_files_with_gaps_between_their_pages_are_a_whole_dump_if_the_status_lists_them(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS, with_index=False)
    names = [f"enwiki-20180401-pages-articles{part}.bz2" for part in ("1.xml-p10p30302", "2.xml-p30304p88444")]
    for name in names:
        (tmp_path / name).write_bytes(path.read_bytes())
    path.unlink()
    with pytest.raises(BadInput, match=r"no file in the folder has pages 30303 to 30303, .* or dumpstatus.json"):
        find_dump(str(tmp_path))
    job = {"status": "done", "files": {name: {} for name in names}}
    (tmp_path / "dumpstatus.json").write_text(json.dumps({"jobs": {"articlesdump": job}}))
    assert [file.name for file in find_dump(str(tmp_path)).files] == names


# -- which snapshot -------------------------------------------------------------------------------------------------


def config_file(folder: Path, *lines: str) -> Path:
    path = folder / "config.yaml"
    path.write_text("\n".join(["name: named", f"runtime: {{root: {folder / 'root'}}}", *lines]))
    return path


def test_the_snapshot_is_read_from_the_dump_s_name_if_the_config_names_no_snapshot(tmp_path: Path) -> None:
    write_multistream(tmp_path, STREAMS)
    config = config_file(tmp_path, f"dump: {tmp_path}")
    assert configured(str(config)).snapshot == "enwiki-20240101"
    assert configured(str(config), snapshot="enwiki-20240102").snapshot == "enwiki-20240102"
    unnamed = tmp_path / "dump.xml.bz2"
    unnamed.write_bytes((tmp_path / "enwiki-20240101-pages-articles-multistream.xml.bz2").read_bytes())
    with pytest.raises(BadInput, match="its name contains no snapshot"):
        configured(str(config), dump=str(unnamed))


def test_a_snapshot_that_is_not_the_dump_s_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write_multistream(tmp_path, STREAMS)
    config = read_config(config_file(tmp_path, "snapshot: dewiki-20240101", f"dump: {path}"))
    with pytest.raises(BadInput, match=r"is a dump of enwiki-20240101, but the config's snapshot is dewiki-20240101"):
        make(config, stages_of(config)[0], print)

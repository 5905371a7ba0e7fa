"""What stages took note of outside the root: another dump, model or set is told; one that is gone is none."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.dumps import dumps
from tasks.ledger import outside, storage
from tests.support.dumpfiles import page_xml, write_multistream, xml_dump
from tests.support.file_server import serving_files
from tests.support.noting_stages import SNAPSHOT, config_of, finished, forget, made, making_of, refused, stage_of, touch

STREAMS = [[page_xml(1, "Old Town", "It is old.")]]
OTHERS = [[page_xml(1, "Old Town", "It is odd.")]]


# -- dumps ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


def parts(folder: Path) -> list[Path]:
    """A dump of two files."""
    found = []
    for first, last in ((1, 9), (10, 19)):
        whole = write_multistream(folder, [[page_xml(first, f"Page {first}", "It is old.")]], with_index=False)
        found.append(whole.rename(folder / f"enwiki-20240101-pages-articles1.xml-p{first}p{last}.bz2"))
    return found


@pytest.mark.parametrize("is_old_root", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
def test_another_dump_under_the_same_label_is_refused(tmp_path, folder, is_named, is_old_root):
    dump = write_multistream(folder, STREAMS)
    config = config_of(tmp_path, dump if is_named else folder)
    made(config, "dump", "redirects")
    if is_old_root:
        forget(config, "dump")
    size = dump.stat().st_size
    write_multistream(folder, [*STREAMS, *STREAMS])
    assert f"the dump had {size:,} bytes, " in refused(config, "dump")
    write_multistream(folder, STREAMS)
    assert finished(config, "dump")
    dump.write_bytes(b"no dump")
    assert "not a MediaWiki dump" in refused(config, "dump")


@pytest.mark.parametrize("is_old_root", [True, False])
@pytest.mark.parametrize("is_moved", [True, False])
def test_another_dump_of_the_same_size_is_refused_as_well(tmp_path, folder, is_moved, is_old_root):
    dump = folder / "dump.xml"
    dump.write_bytes(xml_dump(STREAMS[0]))
    made(config_of(tmp_path, dump), "dump")
    if is_old_root:
        forget(config_of(tmp_path, dump), "dump")
    times = dump.stat().st_atime_ns, dump.stat().st_mtime_ns
    other = (tmp_path if is_moved else folder) / "dump.xml"
    other.write_bytes(xml_dump(OTHERS[0]))
    if is_moved:
        os.utime(other, ns=times)
    assert "the dump had the sha256 " in refused(config_of(tmp_path, other), "dump")


@pytest.mark.parametrize("is_old_root", [True, False])
def test_a_dump_that_was_written_anew_or_moved_is_read_once_and_known_from_then_on(
    tmp_path, folder, monkeypatch, is_old_root
):
    dump = write_multistream(folder, STREAMS)
    made(config_of(tmp_path, dump), "dump")
    read, open_file = [], dumps.SourceFile.read

    def counted(file: dumps.SourceFile, start: int, size: int) -> bytes:
        read.append(start)
        return open_file(file, start, size)

    monkeypatch.setattr(dumps.SourceFile, "read", counted)
    if is_old_root:
        forget(config_of(tmp_path, dump), "dump")
    else:
        touch(dump)
    assert finished(config_of(tmp_path, dump), "dump")
    assert read
    place = Path(shutil.move(dump, tmp_path / dump.name))
    assert finished(config_of(tmp_path, place), "dump")
    read.clear()
    assert finished(config_of(tmp_path, place), "dump")
    assert not read


@pytest.mark.parametrize("is_old_root", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_dump_may_be_deleted_once_it_is_read_and_not_before(tmp_path, folder, is_named, is_old_root):
    dump = write_multistream(folder, STREAMS)
    config = config_of(tmp_path, dump if is_named else folder)
    made(config, "dump", "redirects", "aliases")
    if is_old_root:
        forget(config, "dump")
    dump.unlink()
    assert finished(config, "dump") and finished(config, "redirects")
    with pytest.raises(BadInput, match=r"no such dump|a folder without a dump"):
        made(config, "pages")


def test_a_file_of_a_dump_may_be_deleted_once_it_is_read_and_none_may_be_another(tmp_path, folder):
    first, second = parts(folder)
    config = config_of(tmp_path, folder)
    made(config, "dump", "redirects", "aliases")
    first.unlink()
    assert finished(config, "dump")
    with pytest.raises(BadInput, match=r"p1p9\.bz2 is missing, and stages that read them are not finished"):
        made(config, "pages")
    second.write_bytes(second.read_bytes() * 2)
    refused(config, "dump")


def test_a_dump_that_takes_the_place_of_another_in_a_folder_is_refused(tmp_path, folder):
    dump = write_multistream(folder, STREAMS)
    config = config_of(tmp_path, folder)
    made(config, "dump")
    dump.unlink()
    parts(folder)
    refused(config, "dump")


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    with serving_files(folder) as (address, _):
        yield address


def test_a_dump_on_a_server_is_looked_at_there(tmp_path, folder, served):
    dump = write_multistream(folder, STREAMS)
    for place in (f"{served}/{dump.name}", served):
        config = config_of(tmp_path / place[-4:], place)
        made(config, "dump")
        assert finished(config, "dump")
        write_multistream(folder, [*OTHERS, *OTHERS])
        refused(config, "dump")
        write_multistream(folder, STREAMS)
        touch(dump)
        assert finished(config, "dump")


@pytest.mark.parametrize("is_old_root", [True, False])
def test_a_server_that_does_not_answer_fails_no_finished_run(tmp_path, folder, is_old_root):
    dump = write_multistream(folder, STREAMS)
    with serving_files(folder) as (address, _):
        configs = [config_of(tmp_path / place[-4:], place) for place in (f"{address}/{dump.name}", address)]
        for config in configs:
            made(config, "dump")
            if is_old_root:
                forget(config, "dump")
    assert all(finished(config, "dump") for config in configs)


@pytest.mark.parametrize("is_old_root", [True, False])
def test_a_server_that_says_nothing_is_not_waited_for_for_long(tmp_path, folder, monkeypatch, is_old_root):
    monkeypatch.setattr(outside, "_PATIENCE_SECONDS", 0.2)
    dump = write_multistream(folder, STREAMS)
    made(config_of(tmp_path, dump), "dump")
    if is_old_root:
        forget(config_of(tmp_path, dump), "dump")
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/{dump.name}"
        assert finished(config_of(tmp_path, place), "dump")
    assert time.monotonic() - began < 30


def test_a_store_that_raises_what_it_likes_fails_no_finished_run(tmp_path, folder, monkeypatch):
    dump, located = write_multistream(folder, STREAMS), storage.located
    made(config_of(tmp_path, dump), "dump")

    def denied(path: str) -> Any:
        if path == str(dump):
            raise RuntimeError("no credentials")
        return located(path)

    monkeypatch.setattr(storage, "located", denied)
    assert finished(config_of(tmp_path, dump), "dump")


# -- models and sets ------------------------------------------------------------------------------------------------


def model(folder: Path, weights: str = "old") -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text(weights)
    return folder


def weighed_by(tmp_path: Path, folder: Path) -> PipelineConfig:
    return config_of(tmp_path, ramp={"reference": {"path": str(folder)}})


@pytest.mark.parametrize("is_old_root", [True, False])
def test_another_reference_model_is_refused_and_the_same_may_lie_elsewhere(tmp_path, is_old_root):
    first, same, other = model(tmp_path / "a"), model(tmp_path / "b"), model(tmp_path / "c", "odd")
    made(weighed_by(tmp_path, first), "reference")
    if is_old_root:
        forget(weighed_by(tmp_path, first), "reference")
    assert "the reference model had the sha256 " in refused(weighed_by(tmp_path, other), "reference")
    assert finished(weighed_by(tmp_path, same), "reference")
    (same / "model.safetensors").write_text("odd")
    refused(weighed_by(tmp_path, same), "reference")
    (first / "config.json").write_text('{"layers": 2}')
    assert "had 5 bytes, " in refused(weighed_by(tmp_path, first), "reference")


@pytest.mark.parametrize("is_old_root", [True, False])
def test_a_reference_model_may_be_gone_where_nothing_is_to_be_weighed(tmp_path, is_old_root):
    folder = model(tmp_path / "a")
    config = weighed_by(tmp_path, folder)
    made(config, "reference")
    if is_old_root:
        forget(config, "reference")
    shutil.rmtree(folder)
    assert finished(config, "reference")
    with pytest.raises(BadInput, match=r"ramp\.reference\.path .*: the files do not exist any more, .*: put them back"):
        stage_of(config, "surprisals").make(making_of(config, "surprisals", "reference"))


def test_a_reference_model_that_is_gone_in_part_is_not_asked(tmp_path):
    folder = model(tmp_path / "a")
    config = weighed_by(tmp_path, folder)
    made(config, "reference")
    (folder / "model.safetensors").unlink()
    assert finished(config, "reference")
    with pytest.raises(BadInput, match=r"model\.safetensors is missing"):
        stage_of(config, "surprisals").make(making_of(config, "surprisals", "reference"))


def a_set(path: Path, question: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([{"question": question}]))
    return path


def without(tmp_path: Path, *sets: Path) -> PipelineConfig:
    return config_of(tmp_path, ramp={"leaks": {"sets": [str(path) for path in sets]}})


@pytest.mark.parametrize("is_old_root", [True, False])
def test_another_evaluation_set_of_the_same_name_is_refused(tmp_path, is_old_root):
    first, second = a_set(tmp_path / "qa" / "a.json", "Who?"), a_set(tmp_path / "qa" / "b.json", "When?")
    config = without(tmp_path, first, second)
    made(config, "leaks")
    if is_old_root:
        forget(config, "leaks")
    first.unlink()
    assert finished(config, "leaks"), "one may be gone"
    a_set(second, "Whom?")
    assert "the evaluation sets had the sha256 " in refused(config, "leaks")
    a_set(second, "When?")
    assert finished(config, "leaks")
    second.unlink()
    assert finished(config, "leaks"), "all may be"


def test_a_set_that_was_changed_after_a_run_that_was_killed_had_read_it_is_refused(tmp_path):
    path = a_set(tmp_path / "qa" / "a.json", "Who?")
    config = without(tmp_path, path)
    made(config, "leaks")
    Path(config.runtime.root, SNAPSHOT, "leaks", "v1", "stage.json").unlink()
    a_set(path, "Whom?")
    with pytest.raises(BadInput, match="was built with other inputs or settings: the evaluation sets had the sha256"):
        made(config, "leaks")

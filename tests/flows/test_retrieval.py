"""`masksearch search` and `serve` on an index of one's own or of a pipeline, and where nobody can listen."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from flows.retrieval import build, index_in, listening, search
from schemas.errors import BadInput

PASSAGES = [{"passage_id": "1-0", "title": "Dara", "text": "Dara has a tower."}]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """The folder of an index's stage, whose index lies in it."""
    folder = tmp_path_factory.mktemp("stage")
    passages = folder / "passages.jsonl"
    passages.write_text("\n".join(map(json.dumps, PASSAGES)))
    build(str(passages), str(folder / "index"), "bm25", "en", None, Console())
    return folder


def test_an_index_is_found_in_the_folder_of_its_stage(stage, capsys):
    assert index_in(str(stage)) == index_in(str(stage / "index")) == str(stage / "index")
    assert index_in("/nowhere") == "/nowhere"
    search(str(stage), "tower", 1, None, True, Console())
    assert json.loads(capsys.readouterr().out)["hits"][0]["passage_id"] == "1-0"


def test_a_file_without_queries_is_refused(stage, tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(BadInput, match=r"none\.jsonl: no queries in it"):
        search(str(stage), None, 1, tmp_path / "none.jsonl", True, Console())


def test_an_address_that_cannot_be_listened_on_is_refused():
    for port in (-1, 99_999):
        with pytest.raises(BadInput, match="give a port from 1 to 65535"):
            listening("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadInput, match="cannot listen there: Addr"):
        listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(BadInput, match="cannot listen there"):
        listening("no.such.host.invalid", 0)


@pytest.mark.slow
def test_a_service_says_where_it_listens(stage):
    command = [Path(sys.executable).parent / "masksearch", "serve", stage, "--port", "0"]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        said = service.stdout.readline().split()
        assert said[:2] == ["1", "passage"]
        found = httpx.post(f"{said[-1]}/search", json={"queries": [{"text": "tower"}], "k": 1}, timeout=60)
        assert found.status_code == 200, found.text
    finally:
        service.terminate()
        service.wait()

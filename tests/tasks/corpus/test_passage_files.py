"""Corpora of passages as they are published: every form, compression and layout, cut into parts at any size."""

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import BadInput
from schemas.records import Passage, Reject
from tasks.corpus import passage_records
from tasks.corpus.passage_files import digest_of, find_files
from tasks.corpus.passage_records import layout_of
from tasks.corpus.passage_rows import passages_of_piece
from tasks.corpus.passage_scan import pages_named, read_pieces, scan

SNAPSHOT = "towns-20261101"
ROWS = [
    {"id": "7", "title": "Kalo", "text": 'Kalo is a "town".'},
    {"id": "8", "title": "Kalo", "text": "It lies at the sea."},
    {"id": "9", "title": "Tovi (river)", "text": "Tovi is a river."},
    {"id": "10", "title": "Kalo", "text": "Its harbour is old."},
]


def read(path: Path, folder: Path, part_rows: int = 2) -> tuple[list[Passage], list[Reject], int]:
    """The passages, rejects and number of parts of a corpus."""
    files = find_files(str(path))
    version = digest_of(files)
    scan([(file, layout_of(file)) for file in files], version, part_rows).write(str(folder))
    pieces = read_pieces(str(folder))
    by_name = {file.name: file for file in files}
    rows = [
        row for piece in pieces for row in passages_of_piece(by_name[piece.name], piece, str(folder), version, SNAPSHOT)
    ]
    passages = [row for row in rows if isinstance(row, Passage)]
    return passages, [row for row in rows if isinstance(row, Reject)], len(pieces)


def json_lines() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def contents() -> bytes:
    lines = ({"id": row["id"], "contents": f'"{row["title"]}"\n{row["text"]}'} for row in ROWS)
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def table() -> bytes:
    quoted = '"' + str(ROWS[0]["text"]).replace('"', '""') + '"'
    texts = [quoted, *(row["text"] for row in ROWS[1:])]
    lines = (f"{row['id']}\t{text}\t{row['title']}\r\n" for row, text in zip(ROWS, texts, strict=True))
    return ("id\ttext\ttitle\r\n" + "".join(lines)).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize("content", [json_lines, contents, table], ids=["json_lines", "contents", "table"])
@pytest.mark.parametrize(
    ("ending", "compressed"), [("", bytes), (".gz", gzip.compress), (".zst", zstd), (".bz2", bz2.compress)]
)
@pytest.mark.parametrize("part_rows", [1, 100])
def test_a_corpus_gives_the_same_passages_in_every_form(
    tmp_path: Path,
    content: Callable[[], bytes],
    ending: str,
    compressed: Callable[[bytes], bytes],
    part_rows: int,
) -> None:
    path = tmp_path / f"towns.{'tsv' if content is table else 'jsonl'}{ending}"
    path.write_bytes(compressed(content()))
    passages, rejects, parts = read(path, tmp_path / "scan", part_rows)
    assert {(row.title, row.text) for row in passages} == {(row["title"], row["text"]) for row in ROWS}
    assert (len(passages), rejects, parts) == (4, [], 3 if part_rows == 1 else 1)


def test_passages_of_one_title_are_one_page_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "towns.jsonl"
    path.write_bytes(json_lines())
    passages, _, parts = read(path, tmp_path / "scan", 1)
    kalo = [row for row in passages if row.title == "Kalo"]
    assert parts == 3
    assert len({row.page_id for row in kalo}) == 1
    assert [row.passage_id for row in kalo] == [f"{kalo[0].page_id}-{ordinal}" for ordinal in range(3)]
    together, _, _ = read(path, tmp_path / "scan", 100)
    assert [row.title for row in together] == ["Kalo", "Kalo", "Kalo", "Tovi (river)"], (
        "a page's rows follow each other"
    )
    assert {row.passage_id for row in together} == {row.passage_id for row in passages}
    assert pages_named(str(tmp_path / "scan"), ["Tovi", "Kalo", "Mare"]) == {
        "Tovi": ("Tovi (river)",),
        "Kalo": ("Kalo",),
    }


def test_parquet_json_lists_and_folders_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "towns"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([{**row, "_id": int(row["id"])} for row in ROWS[:2]]), folder / "a.parquet")
    (folder / "b.json").write_text(json.dumps(ROWS[2:]))
    (folder / "README.md").write_text("no passages")
    (folder / ".hidden.jsonl").write_text("nothing")
    passages, rejects, parts = read(folder, tmp_path / "scan", 10)
    assert [row.text for row in passages] == [row["text"] for row in ROWS]
    assert (rejects, parts) == ([], 2)
    assert [row.text for row in read(Path(f"{folder}/*.json"), tmp_path / "scan")[0]] == [r["text"] for r in ROWS[2:]]


def test_what_is_no_passage_is_rejected_with_its_line_and_reason(tmp_path: Path) -> None:
    lines = [
        json.dumps(ROWS[0]).encode(),
        b"{broken",
        b"",
        b'["a list"]',
        json.dumps({"title": "Kalo", "text": "No id."}).encode(),
        json.dumps({"id": 3, "title": "Kalo", "text": "  "}).encode(),
        json.dumps({**ROWS[1], "id": 7}).encode(),
        b'{"id": "4", "text": "\xff"}',
        b'{"id": "5", "text": "half \\ud800"}',
        json.dumps({"id": "6", "text": "No title."}).encode(),
    ]
    path = tmp_path / "towns.jsonl"
    path.write_bytes(b"\n".join(lines))
    passages, rejects, _ = read(path, tmp_path / "scan", 2)
    assert {(row.row_id, row.reason) for row in rejects} == {
        ("towns.jsonl:2", "not_json"),
        ("towns.jsonl:4", "not_an_object"),
        ("towns.jsonl:5", "no_id"),
        ("towns.jsonl:6", "no_text"),
        ("towns.jsonl:7", "duplicate_id"),
        ("towns.jsonl:8", "not_utf8"),
        ("towns.jsonl:9", "not_utf8"),
    }
    assert [row.title for row in passages] == ["Kalo", "6"], "a passage without a title has its id for one"


def test_without_ids_the_same_passage_counts_once(tmp_path: Path) -> None:
    rows = [{"title": row["title"], "text": row["text"]} for row in [*ROWS, ROWS[2]]]
    path = tmp_path / "towns.json"
    path.write_text(json.dumps(rows))
    passages, rejects, _ = read(path, tmp_path / "scan")
    assert len(passages) == 4
    assert [(row.row_id, row.reason) for row in rejects] == [("towns.json:5", "duplicate_passage")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("towns.tsv", b"7\tKalo is a town.\tKalo\n", "its first line names no column text"),
        ("towns.jsonl", b'{"id": 1, "body": "x"}\n', r"no layout of passages \(fields id, body\)"),
        ("towns.jsonl", b"", "no JSON object in its first lines"),
        ("towns.json", b"[1, 2", "not a JSON list"),
        ("towns.txt", b"Kalo", "the end of its name does not say what it holds: names end in .parquet"),
        ("towns.jsonl.gz", gzip.compress(json_lines() * 9)[:-9], "cannot be decompressed"),
        ("towns.jsonl.zst", b"no zstd", "cannot be decompressed"),
        ("towns.parquet", b"no parquet", "a damaged Parquet file"),
        ("towns.tsv", b"id\ttext\ttitle\n", "is a passage: it is empty"),
    ],
)
def test_a_file_that_is_no_corpus_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read(path, tmp_path / "scan")


def test_a_large_list_and_long_lines_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "towns.json"
    path.write_text(json.dumps(ROWS))
    monkeypatch.setattr(passage_records, "_LARGEST_LIST", 100)
    with pytest.raises(BadInput, match="write one object a line"):
        read(path, tmp_path / "scan")
    lines = tmp_path / "towns.jsonl"
    lines.write_bytes(json_lines() + b'{"id": "1", "text": "' + b"x" * (1 << 24) + b'"}\n' + json_lines()[:30] + b"\n")
    monkeypatch.undo()
    _, rejects, _ = read(lines, tmp_path / "scan")
    assert [(row.row_id, row.reason) for row in rejects] == [
        ("towns.jsonl:5", "long_line"),
        ("towns.jsonl:6", "not_json"),
    ]


def test_real_corpora_are_read_whole(tmp_path: Path, test_data: Path) -> None:
    """2WikiMultihopQA's has each title once; MuSiQue's has some titles several times, not next to each other."""
    for name, rows, titles in (
        ("2wiki/2wikimultihopqa_corpus.json", 6119, 6119),
        ("musique/train_100_corpus.json", 1890, 1764),
    ):
        passages, rejects, _ = read(test_data / "qa" / name, tmp_path / "scan", 500)
        assert (len(passages), len({row.page_id for row in passages}), rejects) == (rows, titles, [])
        assert len({row.passage_id for row in passages}) == rows
    with pytest.raises(BadInput, match="no JSON object in its first lines"):
        layout_of(find_files(str(test_data / "qa/hotpotqa/train_100_corpus.json"))[0])

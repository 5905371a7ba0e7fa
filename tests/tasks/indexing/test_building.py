"""Files of passages and of queries, good and bad."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retrieval_index.hits import Query
from retrieval_index.opening import open_index
from schemas.corpus_settings import IndexSettings
from schemas.errors import BadInput
from tasks.indexing.building import build_from_parquet, search_many

ROWS = [
    {"passage_id": "1-0", "title": "Dara", "text": "Dara has a tower."},
    {"passage_id": "2-0", "title": "Corbe", "text": "Corbe has a lighthouse and a tower."},
]


def write_lines(path: Path, rows: Sequence[object]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return str(path)


def write_parquet(path: Path, rows: Sequence[Mapping[str, object]] = ROWS) -> str:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return str(path)


def test_every_kind_of_file_makes_the_same_index(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({**row, "more": 1}) + "\n" for row in ROWS)
    write_parquet(tmp_path / "folder" / "part-b.parquet", ROWS[1:])
    write_parquet(tmp_path / "folder" / "part-a.parquet", ROWS[:1])
    write_parquet(tmp_path / "folder" / "rejects-a.parquet", [{"row_id": "x"}])
    sources = [
        [write_parquet(tmp_path / "a.parquet")],
        [write_lines(tmp_path / "b.jsonl", ROWS)],
        [str(tmp_path / "c.jsonl.gz")],
        [str(tmp_path / "folder")],
        [str(tmp_path / "folder" / "part-a.parquet"), str(tmp_path / "folder" / "part-b.parquet")],
    ]
    built = [build_from_parquet(paths, str(tmp_path / f"{n}"), IndexSettings()) for n, paths in enumerate(sources)]
    assert {info.documents for info in built} == {2}
    assert len({info.digest for info in built}) == 1
    (hits,) = open_index(str(tmp_path / "3")).search([Query("lighthouse")], 3)
    assert [(hit.passage_id, hit.title, hit.text) for hit in hits] == [tuple(ROWS[1].values())]


def bad_files(folder: Path) -> dict[str, str]:
    (folder / "torn.parquet").write_bytes(Path(write_parquet(folder / "whole.parquet")).read_bytes()[:-20])
    (folder / "text.parquet").write_text("passage_id,title,text")
    (folder / "latin.jsonl").write_bytes('{"passage_id": "1", "title": "é", "text": ""}'.encode("latin-1"))
    return {
        str(folder / "none.parquet"): "no such file",
        str(folder / "torn.parquet"): "not a Parquet file",
        str(folder / "text.parquet"): "not a Parquet file",
        str(folder / "latin.jsonl"): "line 1: not JSON",
        str(folder): "not a file",
        write_parquet(folder / "names.parquet", [{"passage_id": "1", "text": "a"}]): "no column title",
        write_parquet(folder / "types.parquet", [{"passage_id": 1, "title": "", "text": "a"}]): "passage_id is int64",
        write_parquet(folder / "null.parquet", [*ROWS, {**ROWS[0], "title": None}]): "passage 1-0: a null",
        write_lines(folder / "names.jsonl", [ROWS[0], {"passage_id": "1", "title": "a"}]): "line 2: text: Field",
        write_lines(folder / "types.jsonl", [{"passage_id": 1, "title": "a", "text": "b"}]): "line 1: passage_id",
        write_lines(folder / "list.jsonl", [[1]]): "line 1: line",
        write_lines(folder / "empty.jsonl", []): "no passages",
    }


def test_a_bad_file_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    for path, line in bad_files(tmp_path).items():
        with pytest.raises(BadInput, match=line) as error:
            build_from_parquet([path], str(tmp_path / "out" / "index"), IndexSettings())
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_many_queries_are_answered_in_their_order(tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    build_from_parquet([write_lines(tmp_path / "p.jsonl", ROWS)], index, IndexSettings())
    asked = [{"query_id": f"q{n}", "query": "lighthouse" if n % 2 else "zzz"} for n in range(5000)]
    found = list(search_many(index, write_lines(tmp_path / "q.jsonl", asked), 1))
    assert [row["query_id"] for row in found] == [row["query_id"] for row in asked]
    assert [[hit["passage_id"] for hit in row["hits"]] for row in found[:2]] == [[], ["2-0"]]
    assert set(found[1]["hits"][0]) == {"passage_id", "score"}


def test_bad_queries_are_reported_before_the_first_search(tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    build_from_parquet([write_lines(tmp_path / "p.jsonl", ROWS)], index, IndexSettings())
    queries = write_lines(tmp_path / "q.jsonl", [{"query_id": "1", "query": "a"}, {"id": "2"}])
    with pytest.raises(BadInput, match="line 2: query_id: Field required"):
        next(search_many(index, queries, 1))
    with pytest.raises(BadInput, match="not a file"):
        next(search_many(index, str(tmp_path / "none.jsonl"), 1))

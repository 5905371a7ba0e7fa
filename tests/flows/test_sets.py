"""`masksearch sets`: what would be read from a file."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from flows.sets import inspect
from schemas.errors import BadInput


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    path = tmp_path / "pairs.jsonl"
    rows = [{"question": f"Who is [b]{number}?", "answer": ["Karlo", "Brim"]} for number in range(5)]
    path.write_text("\n".join(map(json.dumps, [*rows, rows[0], {"question": "Why?", "answer": ""}])))
    return str(path)


def test_layout_questions_rejects_and_three_examples_are_shown(pairs: str, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(pairs, None, False, Console())
    shown = capsys.readouterr().out
    assert "layout plain: 5 questions, 2 rejects" in shown
    assert "1 duplicate_question, such as record 6, as record 1: Who is [b]0?" in shown
    assert "1 no_answer, such as record 7: Why?" in shown
    assert shown.count("answer: Karlo") == 3 and "Who is [b]2?" in shown and "or: Brim" in shown


def test_json_ends_with_one_line_of_counts(pairs: str, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(pairs, "musique", True, Console())
    *examples, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last == {"layout": "musique", "questions": 5, "rejects": {"duplicate_question": 1, "no_answer": 1}}
    assert [example["answers"] for example in examples] == [["Karlo", "Brim"]] * 3


@pytest.mark.parametrize(
    ("layout", "said"),
    [("squad", "--layout squad: there is no layout 'squad'"), ("flashrag", "record 1: not in the layout flashrag")],
)
def test_another_layout_is_refused(pairs: str, layout: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        inspect(pairs, layout, False, Console())


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    with pytest.raises(BadInput, match=r"empty\.jsonl: it has no records"):
        inspect(str(path), None, True, Console())


@pytest.mark.parametrize("content", ["", "\n"])
def test_a_file_without_records_is_refused_whatever_the_layout(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text(content)
    with pytest.raises(BadInput, match=r"empty\.jsonl: it has no records: give a file of questions"):
        inspect(str(path), "plain", False, Console())


@pytest.mark.parametrize("record", [{"ask": "Who?", "reply": "Brim"}, {"context": {}, "supporting_facts": [["x", 0]]}])
def test_where_no_layout_is_detected_the_layouts_are_named(tmp_path: Path, record: dict[str, object]) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps(record))
    with pytest.raises(BadInput, match=r"record 1: .*--layout, or layout in a config: hotpotqa, .*, plain or"):
        inspect(str(path), None, False, Console())


def test_one_question_is_in_the_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.jsonl"
    steps = {"aliases": [], "type": "fact", "hops": 1, "split": "test", "support": [], "steps": []}
    path.write_text(json.dumps({"id": "a", "question": "Who?", "answer": "Brim", **steps}))
    inspect(str(path), None, False, Console())
    assert "layout steps: 1 question, 0 rejects" in capsys.readouterr().out
    path.write_text(json.dumps({"question": "Who?", "answer": ""}))
    inspect(str(path), None, False, Console())
    assert "layout plain: 0 questions, 1 reject\n" in capsys.readouterr().out

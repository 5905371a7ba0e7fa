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

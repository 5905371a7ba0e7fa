"""`masksearch score`: answers from elsewhere against a set's file and against rows of a ledger."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.score import score
from schemas.errors import BadInput
from schemas.records import Question
from tasks.ledger import storage
from tests.support.examples import qa_question

SET = [
    {"id": "a", "question": "Where?", "answers": ["Great Tolm", "Tolmburg"], "hops": 1, "type": "bridge"},
    {"id": "b", "question": "Who?", "answers": ["Arlen Brom"], "hops": 2, "type": "bridge"},
    {"id": "c", "question": "When?", "answers": ["1923"], "hops": 2, "type": "comparison"},
    {"id": 4, "question": "What?", "answers": "the mill"},
]


def lines(path: Path, rows: list[Any]) -> str:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return str(path)


@pytest.fixture
def asked(tmp_path: Path) -> str:
    return lines(tmp_path / "set.jsonl", SET)


def of(capsys: pytest.CaptureFixture[str], answers: str, asked: str, **options: Any) -> Any:
    score(answers, asked, options.get("layout"), options.get("split"), True, Console())
    return json.loads(capsys.readouterr().out)


def mean(found: Any, metric: str, level: int = 0, kind: str | None = None) -> float:
    rows = [row for row in found["scores"] if (row["metric"], row["level"], row["type"]) == (metric, level, kind)]
    (row,) = rows
    return row["mean"]


def test_all_metrics_by_hops_and_type_and_what_was_not_answered(tmp_path, asked, capsys):
    told = [{"id": "a", "answer": "tolmburg!"}, {"question_id": "b", "prediction": "It was Arlen Brom"}]
    found = of(capsys, lines(tmp_path / "answers.jsonl", [*told, {"id": 4, "answer": None}]), asked)
    assert (found["questions"], found["unanswered"]) == (4, 2), "a null, and a question that is not in the file"
    assert mean(found, "exact") == 1 / 4
    assert mean(found, "f1") == pytest.approx((1 + 2 * 2 / 6) / 4)
    assert (mean(found, "recall"), mean(found, "substring")) == (2 / 4, 2 / 4)
    assert [mean(found, "exact", level) for level in (1, 2)] == [1.0, 0.0]
    assert [mean(found, "recall", kind=kind) for kind in ("bridge", "comparison")] == [1.0, 0.0]
    (row,) = [row for row in found["scores"] if (row["metric"], row["level"], row["type"]) == ("exact", 0, None)]
    assert row["low"] == 0 and row["high"] <= 0.75 and row["n"] == 4


def test_people_get_a_table(tmp_path, asked):
    console = Console(file=io.StringIO(), width=80)
    score(lines(tmp_path / "answers.jsonl", [{"id": "a", "answer": "x"}]), asked, None, None, False, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "4 questions, 3 of them without an answer, which count as wrong" in text
    assert "2 hops" in text and "bridge" in text and "substring" in text and "…" not in text


def test_questions_of_a_ledger_are_named_with_or_without_their_sets_name(tmp_path, capsys):
    folder = tmp_path / "questions" / "worldqa"
    rows = [
        qa_question([f"gold {number}"], [[]]).model_copy(
            update={"question_id": f"worldqa-{number}", "source": "worldqa", "split": split}
        )
        for number, split in enumerate(("test", "test", "dev"))
    ]
    storage.write_rows(str(folder / "part-0.parquet"), Question, rows)
    told = lines(tmp_path / "a.jsonl", [{"id": "0", "answer": "gold 0"}, {"id": "worldqa-1", "answer": "gold 1"}])
    assert mean(of(capsys, told, str(folder), split="test"), "exact") == 1
    assert of(capsys, told, str(folder))["unanswered"] == 1
    twice = lines(tmp_path / "twice.jsonl", [{"id": "0", "answer": "x"}, {"id": "worldqa-0", "answer": "x"}])
    with pytest.raises(BadInput, match="with and without its set's name"):
        score(twice, str(folder), None, None, True, Console())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": "a", "answer": "x"}, {"id": "z", "answer": "x"}], "1 of 2 ids are not in the set, such as 'z'"),
        ([{"id": "a", "answer": "x"}, {"id": "a", "answer": "y"}], "line 2: the question 'a' was answered before"),
        ([{"id": "a", "answer": ["x"]}], r'line 1: the answer is \["x"\]: write text'),
        ([{"id": True, "answer": "x"}], "line 1: the id is true: write text"),
        ([{"id": "a"}], "line 1: no field answer or prediction"),
        ([{"answer": "x"}], "line 1: no field question_id or id"),
        (["a"], "line 1: not an object"),
        ([], "no answers: write one JSON line"),
    ],
)
def test_answers_that_cannot_be_scored_are_one_line(tmp_path, asked, rows, said):
    with pytest.raises(BadInput, match=said) as error:
        score(lines(tmp_path / "answers.jsonl", rows), asked, None, None, True, Console())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"id": "a", "question": "x", "answers": []}], {}, "record 1: "),
        (SET, {"layout": "flashrag"}, "record 1: not in the layout flashrag"),
        (SET, {"layout": "other"}, "--layout other: there is no layout 'other': choose one of hotpotqa, two_wiki"),
        (SET, {"split": "test"}, "has no splits"),
        ([], {}, "no questions"),
    ],
)
def test_a_set_that_cannot_be_read_is_one_line(tmp_path, rows, options, said):
    answers = lines(tmp_path / "answers.jsonl", [{"id": "a", "answer": "x"}])
    with pytest.raises(BadInput, match=said):
        score(answers, lines(tmp_path / "s.jsonl", rows), options.get("layout"), options.get("split"), True, Console())


def test_files_that_do_not_exist_are_named(tmp_path, asked):
    answers = lines(tmp_path / "answers.jsonl", [{"id": "a", "answer": "x"}])
    with pytest.raises(BadInput, match="nowhere: no such file of answers"):
        score("nowhere", asked, None, None, True, Console())
    with pytest.raises(BadInput, match="nowhere: no such file or folder of questions"):
        score(answers, "nowhere", None, None, True, Console())

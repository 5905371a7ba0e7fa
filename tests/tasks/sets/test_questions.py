"""Which records of a set can be asked, which are rejected and why, and which files are refused in one line."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BadInput
from schemas.set_settings import PublishedSet
from tasks.sets.datasets import detected_layout
from tasks.sets.interface import SetQuestion
from tasks.sets.questions import Reason, SetReject, read_questions
from tests.tasks.sets.test_layouts import FRESH, HOTPOT, PARAGRAPHS

LINE = {"id": "1", "question": "Who?", "golden_answers": ["Karlo"]}


def read(path: Path | str, layout: Any = None) -> tuple[list[SetQuestion], list[SetReject]]:
    found = list(read_questions(PublishedSet(path=str(path), layout=layout)))
    questions = [row for row in found if isinstance(row, SetQuestion)]
    return questions, [row for row in found if isinstance(row, SetReject)]


@pytest.mark.parametrize(
    ("records", "row_id", "reason", "detail"),
    [
        (
            [{"id": "m", "question": "Who?", "answer": "x", "paragraphs": PARAGRAPHS, "answerable": False}],
            "m",
            Reason.UNANSWERABLE,
            "record 1: Who?",
        ),
        ([{key: HOTPOT[key] for key in ("_id", "question", "context")}], "5a8b", Reason.NO_ANSWER, "record 1: Who"),
        ([{**LINE, "golden_answers": [" "]}], "1", Reason.NO_ANSWER, "record 1: Who?"),
        ([{**LINE, "question": " "}], "1", Reason.NO_QUESTION, "record 1: "),
        ([{"question": None, "answer": "x"}], "record 1", Reason.NO_QUESTION, "record 1: "),
        ([LINE, {**LINE, "question": "Where?"}], "1", Reason.DUPLICATE_ID, "record 2, as record 1: Where?"),
        (
            [{"question": "Who?", "answer": "x"}] * 2,
            "record 2",
            Reason.DUPLICATE_QUESTION,
            "record 2, as record 1: Who?",
        ),
    ],
)
def test_a_record_that_cannot_be_asked_is_rejected_with_its_reason(
    tmp_path: Path, records: Any, row_id: str, reason: Reason, detail: str
) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(records))
    questions, (reject,) = read(path)
    assert len(questions) == len(records) - 1
    assert (reject.id, reject.reason) == (row_id, reason)
    assert reject.detail.startswith(detail)


def test_ids_that_a_set_lacks_follow_from_the_question_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    rows = [{"question": "Who?", "answer": "x"}, {"question": "Where?", "answer": "y"}]
    path.write_text(json.dumps(rows))
    other.write_text(json.dumps([{**rows[1], "answer": "z"}]))
    assert read(other)[0][0].id == read(path)[0][1].id != read(path)[0][0].id


LINES = "\n".join(json.dumps({**LINE, "id": str(number)}) for number in range(3))
CSV = "question,answer\nWho?,Karlo\nWhere?,Ostel\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", json.dumps({**LINE, "golden_answers": []}), "record 1: the field golden_answers is an empty list"),
        ("a.jsonl", json.dumps({**LINE, "golden_answers": {"a": 1}}), "record 1: the field golden_answers is neither"),
        ("a.jsonl", f"{LINES}\n{json.dumps({**LINE, 'id': None})}", "record 4: the field id holds no id"),
        ("a.json", [{**HOTPOT, "_id": ""}], "record 1: the field _id holds no id"),
        ("a.json", [{key: HOTPOT[key] for key in HOTPOT if key != "_id"}], "record 1: the field _id holds no id"),
        ("a.csv", FRESH + ",TEST,Who?,FALSE,one-hop,x,,Karlo,,\n", "record 1: the field id holds no id"),
        ("a.jsonl", LINES + '\n{"id": "4", "golden_ans', "record 4, field id: damaged or cut off JSON"),
        ("a.json", json.dumps([LINE, LINE])[:-12], "record 2, field golden_answers: damaged or cut off JSON"),
        ("a.json", json.dumps([LINE, LINE])[:-1], "record 3: damaged or cut off JSON"),
        ("a.csv", CSV + "When?", "record 3, field question: the file ends within it"),
        ("a.csv", CSV + 'When?,"in Ma', "record 3, field answer: the file ends within it"),
        ("a.csv", CSV + '"When did', "record 3, field question: the file ends within it"),
        ("a.csv", CSV + "When, then?,in May\n", "record 3: the row has more cells than the header"),
        ("a.jsonl", f'{LINES}\n{{"question": "Who?", "answer": "x"}}', "record 4: not in the layout flashrag"),
        ("a.json", [HOTPOT, {"question": "Who?"}], "record 2: not in the layout hotpotqa: it has no field context"),
        ("a.json", [{"title": "Ostel", "text": "A town."}], "record 1: a passage that nothing is asked about"),
        ("a.json", [{**HOTPOT, "question": 3}], "in no known layout: it is like hotpotqa, but the field question"),
        ("a.json", [{"name": "x"}], "record 1: neither question nor passage in the fields name"),
        ("a.json", [3], "record 1: in no known layout: int in place of an object"),
    ],
)
def test_a_file_to_correct_is_refused_in_one_line_with_record_and_field(
    tmp_path: Path, name: str, content: Any, said: str
) -> None:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BadInput) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("layout", ["musique", "two_wiki", "flashrag", "freshqa", "fanoutqa", "bamboogle"])
def test_a_file_of_another_layout_than_the_given_one_is_refused(tmp_path: Path, layout: Any) -> None:
    path = tmp_path / "hotpot.json"
    path.write_text(json.dumps([HOTPOT]))
    with pytest.raises(BadInput, match=f"record 1: not in the layout {layout}: "):
        read(path, layout)


@pytest.mark.parametrize(
    ("path", "layout", "questions", "rejects", "hops"),
    [
        ("hotpotqa/dev_subsampled.jsonl", "hotpotqa", 500, {}, {2: 500}),
        ("hotpotqa/hotpot_dev_distractor_v1.json", "hotpotqa", 100, {}, {2: 100}),
        ("hotpotqa/train_100.json", "hotpotqa", 100, {}, {2: 100}),
        ("2wiki/2wikimultihop_test_questions_and_answers.json", "plain", 12576, {}, {0: 12576}),
        ("musique/train_100.json", "musique", 100, {}, {2: 68, 3: 27, 4: 5}),
        (
            "musique/musique_test_questions_and_answers.json",
            "plain",
            2412,
            {"duplicate_question": 5},
            {0: 2412},
        ),
        ("fanoutqa/fanout-final-dev.json", "fanoutqa", 310, {}, {1: 13, 2: 273, 3: 24}),
        ("freshqa/freshqa.csv", "freshqa", 600, {}, {0: 137, 1: 463}),
        ("bamboogle/bamboogle.json", "bamboogle", 125, {}, {2: 125}),
        ("bamboogle/test.jsonl", "bamboogle", 125, {}, {2: 125}),
    ],
)
def test_every_record_of_the_shared_sets_is_read_or_rejected(
    test_data: Path, path: str, layout: str, questions: int, rejects: dict[str, int], hops: dict[int, int]
) -> None:
    found, rejected = read(test_data / "qa" / path)
    assert detected_layout(str(test_data / "qa" / path)) == layout
    assert (len(found), Counter(str(reject.reason) for reject in rejected)) == (questions, rejects)
    assert Counter(row.hops for row in found) == hops
    assert all(row.answers and row.question and row.id for row in found)
    assert all(step.support is None or step.support < len(row.support) for row in found for step in row.steps)


def test_both_forms_of_bamboogle_ask_the_same(test_data: Path) -> None:
    listed, _ = read(test_data / "qa" / "bamboogle" / "bamboogle.json")
    lines, _ = read(test_data / "qa" / "bamboogle" / "test.jsonl")
    assert {row.question for row in listed} == {row.question for row in lines}


def test_a_layout_that_gives_a_claim_another_answer_than_a_label_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a layout of a package might: no answer to such a claim would ever be right."""
    claim = SetQuestion(kind="claim", question="Ostel is a town.", answers=["true"])
    monkeypatch.setattr("tasks.sets.questions.read_records", lambda settings: iter([claim]))
    with pytest.raises(BadInput, match=r"a\.tsv, record 1: the answer to a claim is true: .* supported or refuted"):
        read("a.tsv")

"""Questions and evidence of evaluation sets, in every layout in which they lie about."""

import json

import pytest

from schemas.errors import BadInput
from tasks.sets.datasets import SetText, read_texts

OFFICIAL = {
    "_id": "1",
    "question": "Who founded Vint Works?",
    "answer": "Karlo Brim",
    "supporting_facts": [["Vint Works", 0]],
    "context": [["Vint Works", ["It was founded by Karlo Brim.", " It is old."]], ["Ostel", ["It is a town."]]],
}
COLUMNS = OFFICIAL | {
    "supporting_facts": {"title": ["Vint Works"], "sent_id": [0]},
    "context": {"title": ["Vint Works", "Ostel"], "sentences": [row[1] for row in OFFICIAL["context"]]},
}
PARAGRAPHS = [
    {"title": "Vint Works", "paragraph_text": "It was founded by Karlo Brim. It is old.", "is_supporting": True},
    {"title": "Ostel", "paragraph_text": "It is a town.", "is_supporting": False},
]
BOTH = [("question", "Who founded Vint Works?"), ("evidence", "It was founded by Karlo Brim. It is old.")]
FANOUT = {
    "question": "Who founded each of the works of Ostel?",
    "decomposition": [
        {"question": "What are the works of Ostel?", "decomposition": [], "evidence": {"title": "Ostel"}}
    ],
}


@pytest.mark.parametrize(
    ("name", "records", "found"),
    [
        ("hotpot.json", [OFFICIAL], BOTH),
        ("columns.json", [COLUMNS], BOTH),
        ("ircot.jsonl", [{"question_text": "Who founded Vint Works?", "contexts": PARAGRAPHS}], BOTH),
        ("musique.jsonl", [{"question": "Who founded Vint Works?", "paragraphs": PARAGRAPHS}], BOTH),
        ("fanout.json", [FANOUT], [("question", FANOUT["question"]), ("question", "What are the works of Ostel?")]),
        (
            "chat.jsonl",
            [{"prompt": [{"role": "user", "content": "Who founded it?"}]}],
            [("question", "Who founded it?")],
        ),
        ("corpus.json", [{"title": "Ostel", "text": "It is a town."}], [("evidence", "It is a town.")]),
        ("bamboogle.json", [{"Question": "Who founded it?", "answer": ["x"]}], [("question", "Who founded it?")]),
    ],
)
def test_layouts(tmp_path, name, records, found):
    path = tmp_path / name
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(lines if name.endswith(".jsonl") else json.dumps(records))
    assert list(read_texts(str(path))) == [SetText(*pair) for pair in found]


def test_cells_of_a_csv_may_hold_line_breaks(tmp_path):
    path = tmp_path / "fresh.csv"
    path.write_text('id,question,answer_0\n1,"Who founded\nit?",x\n2,Where is it?,y\n')
    assert [row.text for row in read_texts(str(path))] == ["Who founded\nit?", "Where is it?"]


def test_lines_of_json_end_where_lines_end_and_not_at_separators_within_a_text(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes('{"question": "Who\u2028founded\x85it?"}\r\n\r\n{"question": "Where is it?"}'.encode())
    assert [row.text for row in read_texts(str(path))] == ["Who\u2028founded\x85it?", "Where is it?"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("set.json", '{"data": [{"question": "Who?"}]}', "not a JSON list, .*: one object"),
        ("set.json", '["Who?"]', "record 1: in no known layout"),
        ("set.jsonl", '{"question": "Who?"}\n3', "record 2: in no known layout"),
        ("set.json", '[{"prompt": "Who?"}]', "record 1: in no known layout"),
        ("set.json", '[{"question": "Who?", "paragraphs": ["It is a town."]}]', "record 1: in no known layout"),
        ("set.json", '[{"context": {"title": []}, "supporting_facts": [["x", 0]]}]', "record 1: in no known layout"),
        ("set.csv", "question\n" + "x" * 131_073, "CSV: field larger than field limit"),
        ("set.csv", "name\nx,y,z", "record 1: neither question nor passage in the fields name, None"),
        ("set.json", b"\xff\xfe", "not a JSON list"),
    ],
)
def test_a_record_in_no_known_layout_is_told_in_one_line(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput, match=says) as error:
        list(read_texts(str(path)))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_set_is_told_in_one_line(tmp_path):
    path = tmp_path / "other.json"
    with pytest.raises(BadInput, match="no such file"):
        list(read_texts(str(path)))
    path.write_text('[{"name": "x"}]')
    with pytest.raises(BadInput, match="record 1: neither question nor passage in the fields name"):
        list(read_texts(str(path)))
    path.write_text("hello")
    with pytest.raises(BadInput, match="not a JSON list"):
        list(read_texts(str(path)))


@pytest.mark.parametrize(
    ("path", "questions", "evidence"),
    [
        ("hotpotqa/dev_subsampled.jsonl", 500, 1000),
        ("hotpotqa/hotpot_dev_distractor_v1.json", 100, 200),
        ("2wiki/2wikimultihopqa_corpus.json", 0, 6119),
        ("2wiki/2wikimultihop_test_questions_and_answers.json", 12576, 0),
        ("musique/musique_test_questions_and_answers.json", 2417, 0),
        ("bamboogle/bamboogle.json", 125, 0),
        ("bamboogle/test.jsonl", 125, 0),
        ("freshqa/freshqa.csv", 600, 0),
    ],
)
def test_the_shared_sets_are_read_whole(test_data, path, questions, evidence):
    found = [row.kind for row in read_texts(str(test_data / "qa" / path))]
    assert (found.count("question"), found.count("evidence")) == (questions, evidence)

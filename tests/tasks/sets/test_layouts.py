"""What is read from one record of each published layout."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.errors import BadInput
from schemas.records import Step, Support
from schemas.set_settings import LayoutName, PublishedSet
from tasks.sets.datasets import detected_layout
from tasks.sets.interface import SetQuestion
from tasks.sets.layouts.registry import CORPUS, LAYOUTS
from tasks.sets.questions import SetReject, read_questions

WORKS, OSTEL = "It was founded by Karlo Brim. It is old.", "It is a town."
CONTEXT = [["Vint Works", ["It was founded by Karlo Brim.", " It is old."]], ["Ostel", [OSTEL]]]
HOTPOT = {
    "_id": "5a8b",
    "question": "Who founded Vint Works?",
    "answer": "Karlo Brim",
    "type": "bridge",
    "supporting_facts": [["Vint Works", 0], ["Karlo Brim", 1]],
    "context": CONTEXT,
}
PARAGRAPHS = [
    {"idx": 0, "title": "Ostel", "paragraph_text": OSTEL, "is_supporting": False},
    {"idx": 1, "title": "Vint Works", "paragraph_text": WORKS, "is_supporting": True},
    {"idx": 2, "title": "Karlo Brim", "paragraph_text": "He was born in Dara.", "is_supporting": True},
]
LINE = {
    "question_text": "Who founded Vint Works?",
    "answers_objects": [{"number": "", "date": {"day": "", "month": "", "year": ""}, "spans": ["Karlo Brim"]}],
    "contexts": PARAGRAPHS,
}
FANOUT = {
    "id": "f1",
    "question": "Where was the founder of each work of Ostel born?",
    "answer": {"Vint Works": "Dara", "Ostel Mill": "Kalo"},
    "decomposition": [
        {
            "id": "a",
            "question": "What are the works of Ostel?",
            "answer": ["Vint Works", "Ostel Mill"],
            "decomposition": [],
            "depends_on": [],
            "evidence": {"title": "Ostel"},
        },
        {
            "id": "b",
            "question": "Where was the founder of Vint Works born?",
            "answer": "Dara",
            "depends_on": ["a"],
            "evidence": None,
            "decomposition": [
                {"id": "c", "question": "Who founded Vint Works?", "answer": "Karlo Brim", "depends_on": []},
                {"id": "d", "question": "Where was Karlo Brim born?", "answer": "Dara", "depends_on": ["c"]},
            ],
        },
    ],
}


def written(folder: Path, record: dict[str, Any] | str, name: str = "set.json") -> str:
    path = folder / name
    path.write_text(record if isinstance(record, str) else json.dumps([record]))
    return str(path)


def question(path: str, layout: LayoutName | None = None) -> SetQuestion:
    (found,) = read_questions(PublishedSet(path=path, layout=layout))
    assert isinstance(found, SetQuestion)
    return found


def test_every_layout_that_a_config_may_name_is_built_in() -> None:
    assert {*get_args(LayoutName), CORPUS} == set(LAYOUTS)


def test_hotpotqa_names_two_hops_and_its_paragraphs(tmp_path: Path) -> None:
    path = written(tmp_path, HOTPOT)
    found = question(path)
    assert detected_layout(path) == "hotpotqa"
    assert (found.id, list(found.answers), found.type, found.hops) == ("5a8b", ["Karlo Brim"], "bridge", 2)
    shown, unseen = Support(title="Vint Works", text=WORKS), Support(title="Karlo Brim", text=None)
    assert found.support == [shown, unseen], "a paragraph that the context lacks has its title only"


def test_hotpotqa_in_columns_may_lack_ids(tmp_path: Path) -> None:
    columns = {
        **{key: value for key, value in HOTPOT.items() if key != "_id"},
        "supporting_facts": {"title": ["Vint Works"], "sent_id": [0]},
        "context": {"title": ["Vint Works", "Ostel"], "sentences": [row[1] for row in CONTEXT]},
    }
    found = question(written(tmp_path, columns))
    assert len(found.id or "") == 16
    assert found.support == [Support(title="Vint Works", text=WORKS)]
    assert question(written(tmp_path, {**columns, "id": "x"})).id == "x"


@pytest.mark.parametrize(
    ("question_id", "layout", "hops"),
    [("5a8c7595554299585d9e36b6", "hotpotqa", 2), ("3hop1__1_2_3", "musique", 3), ("0" * 32, "two_wiki", 0)],
)
def test_lines_with_contexts_are_of_the_set_that_their_ids_name(
    tmp_path: Path, question_id: str, layout: str, hops: int
) -> None:
    path = written(tmp_path, json.dumps({**LINE, "question_id": question_id}), "set.jsonl")
    found = question(path)
    assert (detected_layout(path), found.hops, list(found.answers)) == (layout, hops, ["Karlo Brim"])
    assert [passage.title for passage in found.support] == ["Vint Works", "Karlo Brim"]


def test_a_number_and_a_date_are_answers(tmp_path: Path) -> None:
    dated = {"number": "", "date": {"day": "3", "month": "May", "year": "1931"}, "spans": []}
    counted = {"number": "4", "date": {}, "spans": []}
    line = {**LINE, "question_id": "q", "answers_objects": [dated, counted]}
    assert list(question(written(tmp_path, line)).answers) == ["3 May 1931", "4"]


def test_two_wiki_has_steps_from_its_triples_and_aliases_from_the_file_beside_it(tmp_path: Path) -> None:
    record = {
        **HOTPOT,
        "type": "compositional",
        "answer": "Dara",
        "answer_id": "Q7",
        "evidences": [["Vint Works", "founder", "Karlo Brim"], ["Karlo Brim", "place of birth", "Dara"]],
    }
    path = written(tmp_path, record)
    assert (detected_layout(path), list(question(path).answers)) == ("two_wiki", ["Dara"])
    aliases = [{"Q_id": "Q7", "aliases": ["Dara-on-Sea"], "demonyms": ["Daran"]}, {"Q_id": "Q8", "aliases": ["x"]}]
    written(tmp_path, "\n".join(map(json.dumps, aliases)), "id_aliases.json")
    found = question(path)
    assert (list(found.answers), found.hops) == (["Dara", "Dara-on-Sea", "Daran"], 2)
    assert found.steps == [
        Step(question="Vint Works: founder", answer="Karlo Brim", support=0),
        Step(question="#1: place of birth", answer="Dara", support=1),
    ]
    assert question(written(tmp_path, {**record, "type": "bridge-comparison"})).hops == 4


def test_musique_has_its_decomposition_and_aliases(tmp_path: Path) -> None:
    record = {
        "id": "2hop__1_2",
        "question": "Where was the founder of Vint Works born?",
        "answer": "Dara",
        "answer_aliases": ["Dara-on-Sea", "Dara"],
        "answerable": True,
        "paragraphs": PARAGRAPHS,
        "question_decomposition": [
            {"question": "Vint Works >> founder", "answer": "Karlo Brim", "paragraph_support_idx": 1},
            {"question": "Where was #1 born?", "answer": "Dara", "paragraph_support_idx": 2},
        ],
    }
    found = question(written(tmp_path, record))
    assert (found.hops, found.type, list(found.answers)) == (2, "2hop", ["Dara", "Dara-on-Sea"])
    assert found.steps[1] == Step(question="Where was #1 born?", answer="Dara", support=1)
    assert found.support[1].title == "Karlo Brim"


@pytest.mark.parametrize("layout", ["musique", "two_wiki"])
def test_pairs_of_a_set_are_read_if_its_name_is_given(tmp_path: Path, layout: Any) -> None:
    found = question(written(tmp_path, {"question": "Who?", "answer": "Karlo"}), layout)
    assert (list(found.answers), found.hops) == (["Karlo"], 0)


def test_fanoutqa_has_one_whole_answer_and_its_sub_questions_as_steps(tmp_path: Path) -> None:
    found = question(written(tmp_path, FANOUT))
    assert list(found.answers) == ["Vint Works: Dara, Ostel Mill: Kalo"]
    asked = [step.question for step in found.steps]
    assert asked[0] == "What are the works of Ostel?"
    assert asked.index("Where was Karlo Brim born?") < asked.index("Where was the founder of Vint Works born?")
    assert (found.hops, found.steps[0].support) == (3, 0)
    assert found.support == [Support(title="Ostel", text=None)]


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("Spain", "Spain"),
        (1590152, "1590152"),
        (55.0, "55"),
        (0.904, "0.904"),
        (False, "no"),
        ([2006, "2012", True], "2006, 2012, yes"),
        ({"Mars": 24.07}, "Mars: 24.07"),
    ],
)
def test_fanoutqa_writes_every_kind_of_answer(tmp_path: Path, answer: Any, gold: str) -> None:
    assert list(question(written(tmp_path, {**FANOUT, "answer": answer})).answers) == [gold]


FRESH = "id,split,question,false_premise,num_hops,fact_type,source,answer_0,answer_1,note\n"


def test_freshqa_has_equal_answers_and_false_premises(tmp_path: Path) -> None:
    source = '"https://en.wikipedia.org/wiki/Karlo_Brim#:~:text=He\nhttps://example.org/x"'
    rows = [
        f'7,TEST,"Who founded\nit?",FALSE,one-hop,slow-changing,{source},Karlo,K. Brim,',
        "8,TEST,Why?,TRUE,multi-hop,never-changing,,It does not.,,",
    ]
    titles = "FreshQA of one week,,,,,,,,,\n\n"
    path = written(tmp_path, titles + FRESH + "\n".join(rows), "fresh.csv")
    first, second = read_questions(PublishedSet(path=path))
    assert isinstance(first, SetQuestion) and isinstance(second, SetQuestion)
    assert (first.id, first.question, list(first.answers)) == ("7", "Who founded\nit?", ["Karlo", "K. Brim"])
    assert (first.type, first.hops, first.support) == ("slow-changing", 1, [Support(title="Karlo Brim", text=None)])
    assert (second.type, second.hops, list(second.answers)) == ("false_premise", 0, ["It does not."])


CHAT = {
    "data_source": "someone/bamboogle",
    "prompt": [{"role": "user", "content": "Answer briefly. Who founded it?"}],
    "reward_model": {"ground_truth": "Karlo"},
    "extra_info": {"question": "Who founded it?", "index": 3},
}


@pytest.mark.parametrize(
    ("name", "content", "question_id"),
    [
        ("bamboogle.csv", "Question,Answer\nWho founded it?,Karlo\n", None),
        ("bamboogle.json", {"Question": "Who founded it?", "id": "b_1", "answer": ["Karlo"]}, "b_1"),
        ("bamboogle.jsonl", json.dumps(CHAT), "3"),
    ],
)
def test_bamboogle_is_read_from_each_of_its_forms(
    tmp_path: Path, name: str, content: Any, question_id: str | None
) -> None:
    path = written(tmp_path, content, name)
    found = question(path)
    assert detected_layout(path) == "bamboogle"
    assert (found.question, list(found.answers), found.hops) == ("Who founded it?", ["Karlo"], 2)
    assert question_id in (None, found.id)


def test_a_chat_of_another_set_has_unknown_hops(tmp_path: Path) -> None:
    other = {**CHAT, "data_source": "nq", "reward_model": {"ground_truth": {"target": ["Karlo", "Brim"]}}}
    found = question(written(tmp_path, other))
    assert (found.hops, list(found.answers)) == (0, ["Karlo", "Brim"])


@pytest.mark.parametrize(
    ("question_id", "metadata", "hops", "titles"),
    [
        ("test_0", {}, 0, []),
        ("test_0", None, 0, []),
        ("3hop1__1_2_3", {}, 3, []),
        ("dev_0", {"type": "bridge", "supporting_facts": {"title": ["Ostel"], "sent_id": [0]}}, 2, ["Ostel"]),
        ("dev_0", {"type": "bridge_comparison", "supporting_facts": {"title": ["Ostel"]}}, 4, ["Ostel"]),
    ],
)
def test_flashrag_has_equal_answers_and_what_its_metadata_knows(
    tmp_path: Path, question_id: str, metadata: Any, hops: int, titles: list[str]
) -> None:
    line = {"id": question_id, "question": "Who?", "golden_answers": ["Karlo", "Brim"], "metadata": metadata}
    path = written(tmp_path, json.dumps(line), "nq.jsonl")
    found = question(path)
    assert detected_layout(path) == "flashrag"
    assert (found.id, list(found.answers), found.hops) == (question_id, ["Karlo", "Brim"], hops)
    assert [passage.title for passage in found.support] == titles


@pytest.mark.parametrize(
    ("name", "content", "answers"),
    [
        ("a.json", {"question": "Who?", "answer": "Karlo"}, ["Karlo"]),
        ("a.json", {"question": "Who?", "answer": 7}, ["7"]),
        ("a.jsonl", '{"question": "Who?", "answers": ["Karlo", "Brim", "Karlo"]}', ["Karlo", "Brim"]),
        ("a.csv", "question,answer\nWho?,Karlo\n", ["Karlo"]),
        ("a.tsv", 'question\tanswers\nWho?\t"[""Karlo"", ""Brim""]"\n', ["Karlo", "Brim"]),
        ("a.tsv", "question\tanswers\nWho?\tKarlo\n", ["Karlo"]),
    ],
)
def test_plain_questions_and_answers(tmp_path: Path, name: str, content: Any, answers: list[str]) -> None:
    path = written(tmp_path, content, name)
    assert (detected_layout(path), list(question(path).answers)) == ("plain", answers)


CLAIM = {"claim": "Vint Works was founded in Ostel."}
EVIDENCE = [
    [[1, 2, "Vint_Works", 0], [1, 3, "Karlo_Brim_-LRB-founder-RRB-", 2]],
    [[4, 5, "Ostel_-COLON-_a_town", 1], [4, 6, "Ostel_-COLON-_a_town", 3]],
]


def test_a_claim_of_fever_has_the_pages_of_its_smallest_evidence(tmp_path: Path) -> None:
    line = {"id": 75397, "verifiable": "VERIFIABLE", "label": "REFUTES", **CLAIM, "evidence": EVIDENCE}
    path = written(tmp_path, json.dumps(line), "train.jsonl")
    found = question(path)
    assert detected_layout(path) == "claims"
    assert (found.kind, found.id, found.question) == ("claim", "75397", CLAIM["claim"])
    assert (list(found.answers), found.hops) == (["refuted"], 1)
    assert found.support == [Support(title="Ostel : a town", text=None)]
    both = question(written(tmp_path, {**line, "evidence": EVIDENCE[:1]}))
    assert ([page.title for page in both.support], both.hops) == (["Vint Works", "Karlo Brim (founder)"], 2)


@pytest.mark.parametrize(
    ("label", "answer"), [("SUPPORTED", "supported"), ("NOT_SUPPORTED", "refuted"), (1, "supported"), (0, "refuted")]
)
@pytest.mark.parametrize(
    "facts",
    [
        [["Vint Works", 0], ["Vint Works", 1], ["Ostel", 0]],
        [{"key": "Vint Works", "value": 0}, {"key": "Ostel", "value": 0}],
    ],
)
def test_a_claim_of_hover_has_its_hops_and_supporting_pages(
    tmp_path: Path, label: Any, answer: str, facts: list[Any]
) -> None:
    record = {"id": 3, "uid": "330c", **CLAIM, "supporting_facts": facts, "label": label, "num_hops": 3}
    found = question(written(tmp_path, record))
    assert (found.id, list(found.answers), found.hops) == ("330c", [answer], 3)
    assert [page.title for page in found.support] == ["Vint Works", "Ostel"]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ({"label": "NOT ENOUGH INFO", "evidence": [[[1, None, None, None]]]}, "unanswerable"),
        ({"label": None}, "no_answer"),
        ({"label": -1, "num_hops": 2}, "no_answer"),
        ({}, "no_answer"),
    ],
)
def test_a_claim_without_a_verdict_is_rejected_with_its_reason(
    tmp_path: Path, label: dict[str, Any], reason: str
) -> None:
    (found,) = read_questions(PublishedSet(path=written(tmp_path, {"id": 1, **CLAIM, **label})))
    assert isinstance(found, SetReject)
    assert (found.reason, found.detail) == (reason, f"record 1: {CLAIM['claim']}")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"label": "MAYBE"}, "record 1: the field label holds 'MAYBE': give one of SUPPORTS, REFUTES"),
        ({"label": 1}, "record 1: the field label holds '1': give one of"),
        ({"label": "SUPPORTS", "evidence": [["Ostel", 0]]}, "record 1: in no known layout: it is like claims, but"),
    ],
)
def test_a_label_or_evidence_of_another_form_is_refused(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        question(written(tmp_path, {"id": 1, **CLAIM, **fields}))
    assert said in str(caught.value)


def test_a_claim_of_this_project_has_support_steps_and_split(tmp_path: Path) -> None:
    steps = [{"question": "Vint Works was founded in Ostel", "answer": "Dara", "support": 0}]
    support = [{"title": "Vint Works", "text": None}]
    more = {"type": "fact", "hops": 1, "split": "dev", "support": support, "steps": steps}
    found = question(written(tmp_path, {"id": "c1", **CLAIM, "label": "refuted", **more}))
    assert (found.kind, list(found.answers), found.type, found.hops, found.split) == (
        "claim",
        ["refuted"],
        "fact",
        1,
        "dev",
    )
    assert found.steps == [Step(question=steps[0]["question"], answer="Dara", support=0)]
    assert found.support == [Support(title="Vint Works", text=None)]


def test_a_table_of_claims_is_read(tmp_path: Path) -> None:
    found = question(written(tmp_path, "claim,label\nOstel is a town.,supported\n", "claims.csv"))
    assert (found.kind, found.question, list(found.answers)) == ("claim", "Ostel is a town.", ["supported"])


def test_parquet_is_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"id": "t", "question": "Who?", "golden_answers": ["Karlo"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "nq.parquet")
    assert question(str(tmp_path / "nq.parquet")).id == "t"
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "nq.parquet").read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"cut\.parquet: damaged Parquet"):
        question(str(tmp_path / "cut.parquet"))

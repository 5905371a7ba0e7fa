import pyarrow as pa
import pytest

from schemas import arrow, records
from schemas.snapshot import language_of


def test_rows_survive_arrow_and_back():
    segment = records.Segment(author="model", text="<think>a</think>", token_ids=[1, 2], logprobs=[-0.5, -1.0])
    row = records.Trajectory(
        snapshot="enwiki-20261101",
        trajectory_id="t",
        question_id="q",
        group_id="g",
        rollout=0,
        teacher="student",
        label="student-1",
        model="sft-0",
        segments=[segment],
        searches=[records.Search(queries=["x"], passage_ids=["1-0"], outcome="found")],
        answer=None,
        end_reason="turns",
        n_masks=2,
        verdict=records.Verdict(judge="masks", status="wrong", recall=0.5),
        n_tokens=2,
    )
    table = arrow.table_of(records.Trajectory, [row])
    assert records.Trajectory.model_validate(table.to_pylist()[0]) == row


@pytest.mark.parametrize(
    "model", [records.Page, records.Passage, records.Question, records.Trajectory, records.Answer, records.Reject]
)
def test_every_row_says_its_snapshot_first(model):
    assert arrow.arrow_schema(model).field(0) == pa.field("snapshot", pa.string(), nullable=False)


def test_columns_that_may_be_absent_are_nullable_and_no_others():
    schema = arrow.arrow_schema(records.Question)
    assert {field.name for field in schema if field.nullable} == {
        *("page_id", "revision_id", "passage_id", "title", "text", "masked_text"),
        *("strategy", "difficulty", "change", "type"),
    }


@pytest.mark.parametrize(
    ("snapshot", "language"),
    [("enwiki-20261101", "en"), ("zh_yuewiki-20261101", "zh-yue"), ("smallworld-20260101", "en")],
)
def test_the_language_is_derived_from_the_wiki(snapshot, language):
    assert language_of(snapshot) == language

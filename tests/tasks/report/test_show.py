"""`masksearch show` on a file and on a stage's folder of every kind of record, for people and for machines."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from schemas.errors import BadInput
from schemas.records import (
    Alias,
    Answer,
    Author,
    Evidence,
    Link,
    Lost,
    Page,
    Passage,
    Proposals,
    ProposedSpan,
    Question,
    Redirect,
    RefusedSpan,
    Reject,
    Search,
    Surprisal,
    Verdict,
)
from tasks.agent.protocol import answer_turn, search_turn
from tasks.ledger import storage
from tasks.report.show import show
from tests.support.examples import SNAPSHOT, ramp_question, trajectory

TEXT = "Arlen Brom was born in Great Tolm and died in Osk."
LINK = Link(start=23, end=33, target="Great Tolm", anchor="Great Tolm")


def evident_question() -> Any:
    question = ramp_question(TEXT, ["Great Tolm", "Osk"], {"Osk": ["Oskburg"]})
    found = Evidence(passage_id="7-0", hops=2, rank=1, queries=["Arlen Brom", "Mill of Kell"])
    masks = [
        question.masks[0].model_copy(update={"evidence": found}),
        question.masks[1].model_copy(update={"given_away": ["text", "reference"], "surprisal": 6.24}),
    ]
    return question.model_copy(update={"masks": masks, "difficulty": 12.3})


def judged_trajectory() -> Any:
    turns = [
        (Author.MODEL, search_turn("the birthplace", ["Arlen Brom"])),
        (Author.ENVIRONMENT, "<information>Arlen Brom: born in [red]Great Tolm[/red]</information>"),
        (Author.MODEL, answer_turn("found", TEXT)),
    ]
    verdict = Verdict(judge="rule", status="unsupported", recall=1.0)
    return trajectory(evident_question(), turns).model_copy(update={"verdict": verdict})


SEARCH = Search(queries=["Arlen Brom"], passage_ids=["7-0"], outcome="found")
ROWS: list[tuple[Any, list[str]]] = [
    (
        Page(
            snapshot=SNAPSHOT,
            page_id=7,
            revision_id=70,
            title="Arlen Brom",
            namespace=0,
            redirects=["A. Brom"],
            text=TEXT,
            links=[LINK],
            lost=[Lost(start=3, reason="formula")],
            n_chars=len(TEXT),
        ),
        ["Arlen Brom", "A. Brom", "formula at 3", TEXT],
    ),
    (
        Passage(
            snapshot=SNAPSHOT,
            passage_id="7-0",
            page_id=7,
            revision_id=70,
            title="Arlen Brom",
            section="Life",
            text=TEXT,
            links=[LINK],
            lost=[],
            n_words=11,
        ),
        ["7-0", "Life", TEXT],
    ),
    (
        evident_question(),
        [
            *(TEXT, "7-0, 2 hops, rank 1: Arlen Brom → Mill of Kell", "none found"),
            *("also Oskburg", "6.2 nats", "given away: text, reference", "12.3 nats"),
        ],
    ),
    (
        Proposals(
            snapshot=SNAPSHOT,
            passage_id="7-0",
            spans=[ProposedSpan(start=47, end=50, surface="Osk", kind="entity")],
            refused=[RefusedSpan(surface="Kell", reason="not_there")],
        ),
        ["7-0", "Osk", "entity", "refused: not_there"],
    ),
    (
        Surprisal(
            snapshot=SNAPSHOT, passage_id="7-0", start=47, end=50, surface="Osk", nats=6.5, n_tokens=2, known=False
        ),
        ["7-0", "Osk", "6.5"],
    ),
    (judged_trajectory(), ["the birthplace", "born in [red]Great Tolm[/red]", "unsupported", TEXT]),
    (
        Answer(
            snapshot=SNAPSHOT,
            model="ramp-rl",
            retrieval="live",
            decoding="greedy",
            set="ramp",
            question_id="q",
            n_masks=2,
            gold=["Great Tolm", "Osk"],
            answer="no idea",
            recall=0.0,
            f1=0.0,
            exact=0.0,
            searches=[SEARCH],
            n_tokens=9,
            end_reason="answered",
        ),
        ["ramp-rl", "Great Tolm; Osk", "no idea", "Arlen Brom  →  7-0"],
    ),
    (
        Reject(snapshot=SNAPSHOT, row_id="7-0", reason="too_short", failed=False, detail="4 words"),
        ["too_short", "4 wor"],
    ),
    (Redirect(snapshot=SNAPSHOT, title="A. Brom", target="Arlen Brom"), ["A. Brom", "Arlen Brom"]),
    (Alias(snapshot=SNAPSHOT, title="Arlen Brom", redirects=["A. Brom", "Brom"]), ["A. Brom, Brom"]),
]


def shown(path: Path, limit: int = 10, as_json: bool = False) -> str:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    show(str(path), limit, as_json, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def write(path: Path, rows: Sequence[Any]) -> Path:
    storage.write_rows(str(path), type(rows[0]), rows)
    return path


@pytest.mark.parametrize(("row", "expected"), ROWS, ids=lambda value: type(value).__name__)
def test_every_record_is_shown_with_what_matters(tmp_path: Path, row: Any, expected: list[str]) -> None:
    path = write(tmp_path / "part-0.parquet", [row])
    text = shown(path)
    assert [words for words in expected if words not in text] == []
    assert type(row).model_validate_json(shown(path, as_json=True)) == row


def test_a_folder_is_its_parts_in_order_and_no_more_than_asked(tmp_path: Path) -> None:
    for number in (1, 0):
        rows = [ramp_question(TEXT, ["Osk"], question_id=f"q{number}{row}") for row in range(3)]
        write(tmp_path / f"part-{number}.parquet", rows)
    reject = Reject(snapshot=SNAPSHOT, row_id="r", reason="too_short", failed=False, detail="")
    write(tmp_path / "rejects-0.parquet", [reject])
    ids = [json.loads(line)["question_id"] for line in shown(tmp_path, limit=4, as_json=True).splitlines()]
    assert ids == ["q00", "q01", "q02", "q10"]


def test_a_very_long_page_is_cut_and_says_so(tmp_path: Path) -> None:
    page = ROWS[0][0].model_copy(update={"text": "word " * 1000})
    text = shown(write(tmp_path / "part-0.parquet", [page]))
    assert "3,000 more characters" in " ".join(text.replace("│", " ").split())
    assert len(text) < 4_000


def test_wrong_paths_are_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file or folder"):
        shown(tmp_path / "nothing")
    with pytest.raises(BadInput, match="no Parquet of a stage here"):
        shown(tmp_path)
    (tmp_path / "text.parquet").write_text("hello, I am no Parquet file at all")
    with pytest.raises(BadInput, match="not a Parquet file"):
        shown(tmp_path / "text.parquet")
    pq.write_table(pa.table({"height": [1]}), tmp_path / "other.parquet")
    with pytest.raises(BadInput, match=r"its columns \(height\)"):
        shown(tmp_path / "other.parquet")


def test_an_empty_part_is_reported_as_empty(tmp_path: Path) -> None:
    storage.write_rows(str(tmp_path / "part-0.parquet"), Reject, [])
    assert "no rows" in shown(tmp_path)


def test_colours_mark_evidence_and_answers_given_away(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    show(str(write(tmp_path / "part-0.parquet", [evident_question()])), 1, False, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    green, red = "\x1b[1;30;42m", "\x1b[1;37;41m"
    assert f"{green}Great Tolm" in text
    assert f"{red}Osk" in text


def test_rows_of_an_earlier_version_lack_the_last_columns_and_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "part-0.parquet", [evident_question()])
    table = pq.read_table(path)
    last = [name for name, field in Question.model_fields.items() if not field.is_required()][-1]
    pq.write_table(table.drop_columns([last]), path)
    assert TEXT in shown(path)
    pq.write_table(table.drop_columns(["prompt"]), path)
    with pytest.raises(BadInput, match="match no record of the pipeline"):
        shown(path)

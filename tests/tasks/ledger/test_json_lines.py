"""JSON lines end with a line feed and nothing else, whoever writes and reads them."""

import json
from pathlib import Path

import pytest

from schemas.errors import BadInput, RunFailed
from tasks.agent.protocol import parse_turn, search_turn
from tasks.jobs import folder
from tasks.jobs.folder import StartedJob
from tasks.jobs.view import look
from tasks.ledger import json_lines
from tasks.report.curves import read_curves
from trainers.acceptance.strikes import Strike, strikes_of
from trainers.model.metrics import Metrics
from trainers.rl.prompt_ledger import Fate, PromptLedger

ODD = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"
"""All that `str.splitlines` and universal newlines take for the end of a line, but the line feed."""


def test_what_is_appended_is_read_as_it_was_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert json_lines.read(path) == []
    for number in range(3):
        json_lines.append(path, [json.dumps([number, ODD], ensure_ascii=False)])
    assert [json.loads(line) for line in json_lines.read(path)] == [[number, ODD] for number in range(3)]


@pytest.mark.parametrize("torn", [b'{"a": 1', b"\xe2\x80", b'{"a": "\xe2\x80\xa8', b"x" * 100_000])
def test_a_line_that_a_kill_cut_off_is_neither_read_nor_continued(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "lines.jsonl"
    for whole in (b"", b'{"a": 0}\n'):
        path.write_bytes(whole + torn)
        assert json_lines.read(path) == whole.splitlines()
        json_lines.append(path, ['{"a": 2}'])
        assert path.read_bytes() == whole + b'{"a": 2}\n'


def started(output: Path, number: int) -> StartedJob:
    job = StartedJob(module="m", handle="1@elsewhere@1.0", started=1.0, number=number)
    folder.write(str(output), folder.STARTED, job)
    return job


def test_a_job_whose_error_holds_odd_characters_is_seen_and_started_again(tmp_path: Path) -> None:
    for number in (1, 2):
        folder.keep_attempt(str(tmp_path), started(tmp_path, number), f"ended: {ODD}\nand more")
    with (tmp_path / folder.ATTEMPTS).open("ab") as file:
        file.write(b'{"number": 3, "how": "cut o')
    assert [attempt.number for attempt in folder.attempts_of(str(tmp_path))] == [1, 2]
    folder.keep_attempt(str(tmp_path), started(tmp_path, 3), "died")
    view = look(str(tmp_path))
    assert view is not None
    assert [attempt.how for attempt in view.attempts] == [f"ended: {ODD}\nand more"] * 2 + ["died"]


def test_metrics_prompts_strikes_and_curves_are_cut_at_line_feeds_only(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.jsonl")
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "note\u2028\x85": 0.5}\n{"step": 2, "note\u2028\x85": 1.5}\n{"st'
    )
    assert [line["step"] for line in metrics.lines()] == [1, 2]
    started(tmp_path, 1)
    view = look(str(tmp_path))
    assert view is not None
    assert view.metrics == {"step": 2, "note\u2028\x85": 1.5}

    prompts = PromptLedger(tmp_path / "prompts.jsonl")
    fate = Fate(step=1, bound=1, position=0, question_id=ODD, outcome="used")
    prompts.add([fate, fate.model_copy(update={"step": 2})])
    prompts.go_on_from(1)
    assert prompts.fates() == [fate]

    struck = Strike(victim="engine", step=1, killed=1.0, alive=2)
    json_lines.append(tmp_path / "strikes.jsonl", [struck.model_dump_json()])
    assert strikes_of(str(tmp_path)) == [struck]


class _Models:
    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, stage: str, label: str) -> str:
        return str(self._root / label)


def test_the_curves_of_a_training_that_was_killed_in_mid_line_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "sft-0").mkdir()
    (tmp_path / "sft-0" / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n{"step": 3, '
    )
    (curves,) = read_curves(_Models(tmp_path), ["sft-0"])  # type: ignore[arg-type]
    assert curves.series["loss"] == [(1, 2.0), (2, 1.0)]


def test_a_query_is_a_line_and_a_line_ends_with_a_line_feed() -> None:
    turn = parse_turn(f"<think>x</think><search>one{ODD}two\r\nthree\n\n four </search>")
    assert turn is not None
    assert turn.queries == [f"one{ODD}two", "three", "four"]
    written = parse_turn(search_turn("x", ["in two\nlines", "one\u2028more", " three "]))
    assert written is not None
    assert written.queries == ["in two lines", "one more", "three"]


@pytest.mark.parametrize("error", [BadInput, RunFailed])
def test_an_error_is_one_line_whatever_it_quotes(error: type[Exception]) -> None:
    said = str(error(f"{ODD}\n\x1b[31mred\x1b[0m\ttab \ud800 a  b"))
    assert len(said.splitlines()) == 1
    assert said.encode("utf-8")
    assert "\x1b" not in said
    assert said.endswith("a  b"), "spaces in a path stay as they are"

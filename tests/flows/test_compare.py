"""`masksearch compare` on ledgers of made-up answers: pairs, seeds, and conditions that differ."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from flows.compare import compare
from schemas.errors import BadInput
from tests.support.answered import AGENT, AnsweredRun
from tests.support.examples import SNAPSHOT


def printed(paths: list[str], across: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80)
    compare(paths, across, False, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def document(capsys: pytest.CaptureFixture[str], paths: list[str], across: bool = False) -> Any:
    compare(paths, across, True, Console())
    return json.loads(capsys.readouterr().out)


def exact(document: Any, level: int = 0) -> Any:
    (row,) = [row for row in document["comparisons"] if (row["metric"], row["level"]) == ("exact", level)]
    return row


def test_two_labels_are_compared_question_by_question(tmp_path, capsys):
    run = AnsweredRun(tmp_path)
    paths = [run.answers("after", set(range(30)), rate=0.2), run.answers("before", set(range(20)))]
    found = document(capsys, paths)
    assert found["contestants"] == {"after": paths[:1], "before": paths[1:]}
    row = exact(found)
    assert (row["mean_a"], row["mean_b"], row["difference"], row["n"]) == (0.75, 0.5, 0.25, 40)
    assert 0.1 < row["low"] < 0.25 < row["high"] <= 0.4
    assert row["p_value"] == pytest.approx(2 * 0.5**10)
    assert [exact(found, level)["n"] for level in (1, 2)] == [20, 20]
    text = printed(paths)
    assert "after − before: worldqa, greedy" in text
    assert "+0.250" in text and "0.002" in text and "…" not in text


def test_labels_of_several_roots_that_differ_by_seed_are_pooled_by_question_mean(tmp_path, capsys):
    runs = [AnsweredRun(tmp_path / str(seed)) for seed in (1, 2)]
    after = [run.answers("after", {0, 1, seed + 1}, seed=seed, rate=0.2) for seed, run in enumerate(runs, 1)]
    before = [run.answers("before", {0}, seed=seed) for seed, run in enumerate(runs, 1)]
    found = document(capsys, [*after, *before])
    assert found["contestants"] == {"after (2 seeds)": after, "before (2 seeds)": before}
    row = exact(found)
    assert (row["mean_a"], row["mean_b"], row["n"]) == (pytest.approx(3 / 40), pytest.approx(1 / 40), 40)
    assert row["p_value"] is None, "a mean is not right or wrong"
    with pytest.raises(BadInput, match="differ only by seeds are pooled"):
        compare(after, False, False, Console())


def test_other_conditions_are_refused_and_shown_across(tmp_path):
    run, other = AnsweredRun(tmp_path / "one"), AnsweredRun(tmp_path / "other", hits=5)
    base = run.answers("base", {1})
    longer = run.answers("longer", {1, 2}, agent={**AGENT, "max_searches": 8})
    fewer = run.answers("fewer", {1}, rate=0.3, count=30)
    elsewhere = other.answers("elsewhere", {1}, rate=0.4)
    for path, said in (
        (longer, "agent.max_searches is 4 for base and 8 for longer"),
        (fewer, "the questions asked of worldqa is"),
        (elsewhere, "the index is"),
    ):
        with pytest.raises(BadInput, match=said) as error:
            compare([base, path], False, False, Console())
        assert str(error.value).endswith("give --across to compare nevertheless")
        assert "\n" not in str(error.value)
    text = " ".join(printed([base, longer], across=True).split())
    assert "Not the same conditions: agent.max_searches is 4 for base and 8 for longer" in text


def test_what_is_no_finished_evaluation_is_refused(tmp_path):
    run = AnsweredRun(tmp_path)
    base = run.answers("base", {1})
    for paths, said in (
        ([base, f"{tmp_path}/{SNAPSHOT}/answers/none"], r"answers/none: no finished answers \(stage\.json\)"),
        ([base, f"{tmp_path}/{SNAPSHOT}/models/base"], "give ROOT/SNAPSHOT/answers/LABEL"),
        ([base, base + "/"], "given twice"),
        ([base], "give the answers of a second contestant"),
    ):
        with pytest.raises(BadInput, match=said):
            compare(paths, False, False, Console())


def test_contestants_of_one_label_in_two_roots_are_named_by_their_paths(tmp_path, capsys):
    paths = [
        AnsweredRun(tmp_path / "one").answers("qa", {1}, rate=0.1),
        AnsweredRun(tmp_path / "other").answers("qa", {1, 2}, rate=0.2),
    ]
    assert list(document(capsys, paths)["contestants"]) == paths


def test_a_protocol_is_of_the_contestant_and_its_limits_are_conditions(tmp_path, capsys):
    run = AnsweredRun(tmp_path)
    own = run.answers("own", set(range(30)))
    alike = {"name": "four", "message": "{question}", "limits": {"max_searches": None, "max_tokens": 4096}}
    others = {**alike, "limits": {"max_searches": 2, "max_tokens": None}}
    same = run.answers("published", set(range(20)), rate=0.2, protocol=alike)
    assert exact(document(capsys, [own, same]))["difference"] == 0.25
    with pytest.raises(BadInput, match=r"agent.max_searches is 4 for own and 2 for other"):
        printed([own, run.answers("other", set(range(20)), rate=0.3, protocol=others)])

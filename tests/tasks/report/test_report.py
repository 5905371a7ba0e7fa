"""The report of a made-up run: what machines were promised, and a page that needs nothing but itself."""

import io
import json
import re
from pathlib import Path
from statistics import fmean

import pytest
from lxml import html
from rich.console import Console

from schemas.config import PipelineConfig
from schemas.records import Answer
from tasks.evaluation.scores import read_answers
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.report.charts import Colours, tree
from tasks.report.curves import read_curves, smoothed
from tasks.report.document import current_report, report_of
from tasks.report.examples import read_examples
from tasks.report.page import write_report
from tasks.report.summary import scorecard_markdown, summary_table
from tests.support.examples import SNAPSHOT
from tests.support.pretend import PretendRun


def config(root: Path) -> PipelineConfig:
    optimiser = {"lr": 0.1}
    tuned = {"curriculum": [], "optimiser": optimiser}
    return PipelineConfig.model_validate(
        {
            "name": "<pretend>",
            "snapshot": SNAPSHOT,
            "dump": "a.bz2",
            "ramp": {"splits": "held_out", "rl_share": 0.1},
            "teacher": {},
            "tokenizer": {},
            "model": {},
            "training": [
                {"name": "base", "kind": "language_modelling", "steps": 1, "optimiser": optimiser},
                {"name": "ramp-sft", "kind": "sft", **tuned},
                {"name": "ramp-evolved", "kind": "self_evolution", "sft": tuned},
                {"name": "ramp-rl", "kind": "dapo", **tuned},
                {"name": "control", "kind": "sft", "from": "base", **tuned},
            ],
            "runtime": {"root": str(root)},
        }
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> PretendRun:
    run = PretendRun(str(tmp_path_factory.mktemp("whole")))
    run.everything()
    root = Path(run.ledger.root)
    write_report(run.ledger, config(root), 1834.0)
    return run


def page_of(run: PretendRun) -> html.HtmlElement:
    return html.document_fromstring((Path(run.ledger.root) / "report.html").read_text())


def test_the_json_holds_just_what_its_readers_were_promised(whole: PretendRun) -> None:
    document = json.loads((Path(whole.ledger.root) / "report.json").read_text())
    assert set(document) == {"scores", "comparisons", "stages", "wall_seconds"}
    assert set(document["scores"][0]) == {
        *("set", "model", "way", "retrieval", "decoding", "level", "metric", "mean", "low", "high", "n")
    }
    assert set(document["comparisons"][0]) == {
        *("set", "decoding", "level", "metric", "a", "b", "difference", "low", "high", "n")
    }
    assert {row["model"] for row in document["scores"]} == {"untrained", "base", "ramp-sft", "ramp-evolved", "ramp-rl"}
    assert {row["level"] for row in document["scores"]} == {0, 1, 2, 3, 4}
    assert ("ramp-rl", "ramp-evolved") in {(row["a"]["model"], row["b"]["model"]) for row in document["comparisons"]}
    assert document["stages"][2] == {"stage": "questions", "label": "v1", "rows": 40, "rejects": 80, "seconds": 12.0}
    assert document["wall_seconds"] == 1834.0


def test_a_snapshot_s_report_stays_when_that_of_another_is_the_root_s(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    run.everything()
    write_report(run.ledger, config(tmp_path), 12.5)
    first = (tmp_path / SNAPSHOT / "report.html").read_bytes()
    other = config(tmp_path).model_copy(update={"snapshot": "enwiki-20991201"})
    write_report(Ledger(str(tmp_path), other.snapshot), other, 1.0)
    assert (tmp_path / SNAPSHOT / "report.html").read_bytes() == first
    assert json.loads((tmp_path / SNAPSHOT / "report.json").read_text())["wall_seconds"] == 12.5
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / other.snapshot / "report.html").read_bytes()
    assert current_report(run.ledger, config(tmp_path)) is None, "the root's tells of another"


def test_a_report_is_current_until_a_stage_is_rebuilt(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    run.everything()
    assert current_report(run.ledger, config(tmp_path)) is None
    written = write_report(run.ledger, config(tmp_path), 12.5)
    found = current_report(run.ledger, config(tmp_path))
    assert found is not None
    assert (found.scores, found.stages, found.wall_seconds) == (written.scores, written.stages, 12.5)
    (tmp_path / SNAPSHOT / "questions" / "v1" / "stage.json").unlink()
    assert current_report(run.ledger, config(tmp_path)) is None


def test_the_scorecard_is_a_table_in_markdown_too(whole: PretendRun) -> None:
    report = current_report(whole.ledger, config(Path(whole.ledger.root)))
    assert report is not None
    head, border, *rows = [line for line in scorecard_markdown(report).splitlines() if line.startswith("|")]
    assert head.split("|")[1:3] == [" model ", " span recall "]
    assert set(border) <= set("|- ")
    (dapo,) = [row for row in rows if row.startswith("| ramp-rl |")]
    greedy = [score for score in report.scores if score.decoding == "greedy" and score.level == 0]
    score = next(s for s in greedy if (s.model, s.retrieval, s.metric) == ("ramp-rl", "live", "exact"))
    assert f"| {score.mean:.3f} |" in dapo


def test_the_page_has_every_section_and_needs_no_network_and_no_script(whole: PretendRun) -> None:
    page = page_of(whole)
    assert [section.get("id") for section in page.iter("section")] == [
        "scorecard",
        "comparisons",
        "learning",
        "corpus",
        "trajectories",
        "examples",
        "stages",
        "settings",
    ]
    assert not list(page.iter("script", "link", "img", "iframe", "object"))
    links = [link for _, _, link, _ in page.iterlinks()]
    assert [link for link in links if not link.startswith("#")] == []
    assert "@import" not in page.text_content()


def test_ids_are_unique_and_every_reference_leads_somewhere(whole: PretendRun) -> None:
    source = (Path(whole.ledger.root) / "report.html").read_text()
    ids = re.findall(r'\bid="([^"]+)"', source)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', source)) <= set(ids)


def test_text_of_a_model_stays_text(whole: PretendRun) -> None:
    source = (Path(whole.ledger.root) / "report.html").read_text()
    assert "<b>wrong</b>" not in source
    assert "&lt;b&gt;wrong&lt;/b&gt;" in source
    assert "<pretend>" not in source


def test_the_scorecard_shows_what_the_json_says(whole: PretendRun) -> None:
    document = json.loads((Path(whole.ledger.root) / "report.json").read_text())
    (dapo,) = [
        score
        for score in document["scores"]
        if (score["model"], score["retrieval"], score["level"], score["metric"])
        == ("ramp-rl", "live", 0, "span_recall")
        and score["decoding"] == "greedy"
    ]
    rows = [" ".join(row.text_content().split()) for row in page_of(whole).get_element_by_id("scorecard").iter("tr")]
    shown = f"{dapo['mean']:.3f}[{dapo['low']:.3f}, {dapo['high']:.3f}]"
    assert any(row.startswith(f"ramp-rl{shown}") for row in rows)
    assert any(row.startswith("ramp-rl, random passages") for row in rows)


def test_the_first_figures_are_those_of_the_main_branch_and_not_of_a_control(whole: PretendRun) -> None:
    run = PretendRun(str(Path(whole.ledger.root) / "control"))
    run.everything()
    run.answers("ramp.control", "control")
    write_report(run.ledger, config(Path(run.ledger.root)), 1.0)
    text = page_of(run).text_content()
    assert "span recall of ramp-rl on ramp, greedy" in text
    assert "span recall of control on ramp" not in text


def test_a_branch_of_training_has_a_row_of_its_own(tmp_path: Path) -> None:
    steps = config(tmp_path).training
    line, branched = (
        float(re.search(r'height="([\d.]+)pt"', tree(drawn, Colours([])))[1])  # type: ignore[index]
        for drawn in (steps[:-1], steps)
    )
    assert branched > line
    assert {step.name for step in steps} <= set(html.fromstring(tree(steps, Colours([]))).itertext())


def test_every_set_has_tables_of_its_own(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    run.everything()
    run.asked("worldqa.ramp-rl", "ramp-rl")
    run.asked("worldqa.base.rag", "base", way="rag")
    run.asked("worldqa.base.direct", "base", way="direct", retrieval="none")
    report = write_report(run.ledger, config(tmp_path), 1.0)
    heads = [table.findtext(".//th") for table in page_of(run).get_element_by_id("scorecard").iter("table")]
    assert heads[:2] == ["ramp", "worldqa"]
    assert {"worldqa, 3 hops", "worldqa, comparison", "ramp, 4 masks"} <= set(heads)
    against = {(row.a.model, row.b.model, row.b.way) for row in report.comparisons if row.set == "worldqa"}
    assert against == {("ramp-rl", "base", "rag"), ("ramp-rl", "base", "direct")}
    own = json.loads((tmp_path / "report.json").read_text())["scores"]
    assert not any("protocol" in score for score in own)
    text = printed(report)
    assert "worldqa, all questions; 95% intervals" in text
    assert re.search(r"base, one search +0\.\d{3}", text) and "base, no search" in text
    assert "…" not in text
    assert scorecard_markdown(report).count("### ") == 2


def test_questions_that_the_start_does_not_know_have_scores_of_their_own(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    for model in ("base", "ramp-evolved", "ramp-rl"):
        run.asked(f"worldqa.{model}", model)
    run.asked("worldqa.base.direct", "base", way="direct", retrieval="none")
    (path,) = run.ledger.data_paths("answers", "worldqa.base.direct")
    direct = list(storage.read_rows(path, Answer))
    known, n_asked = {row.question_id for row in direct[:7]}, len(direct)
    exact = [row.model_copy(update={"exact": float(row.question_id in known)}) for row in direct]
    storage.write_rows(path, Answer, exact)
    document = config(tmp_path).model_dump(by_alias=True)
    document["sets"] = {"worldqa": {"path": "a.json", "split": "test"}}
    document["evaluation"] = {"sets": {"worldqa": {"known_by": "base"}}}
    report = write_report(run.ledger, PipelineConfig.model_validate(document), 1.0)

    unknown = [score for score in report.scores if score.subset == "unknown"]
    assert {score.n for score in unknown if score.level == 0 and score.metric == "exact"} == {n_asked - 7}
    assert {(score.model, score.way) for score in unknown} == {
        *(("base", "agent"), ("ramp-evolved", "agent"), ("ramp-rl", "agent"))
    }
    rl = [row for row in read_answers(run.ledger) if (row.model, row.decoding) == ("ramp-rl", "greedy")]
    wanted = fmean(row.exact for row in rl if row.question_id not in known)
    (found,) = (
        score.mean
        for score in unknown
        if (score.model, score.decoding, score.level, score.metric) == ("ramp-rl", "greedy", 0, "exact")
    )
    assert found == pytest.approx(wanted)
    assert {row.n for row in report.comparisons if row.subset == "unknown" and row.level == 0} == {n_asked - 7}

    document = json.loads((tmp_path / "report.json").read_text())
    assert {score.get("subset") for score in document["scores"]} == {None, "unknown"}
    assert all(("subset" in score) == (score.get("subset") == "unknown") for score in document["scores"])
    section = page_of(run).get_element_by_id("scorecard")
    said = f"Without a search base answers 7 of {n_asked} questions of worldqa exactly, and the scores of the other"
    assert said in " ".join(section.text_content().split())
    assert "not known without a search" in [table.findtext(".//th") for table in section.iter("table")]
    assert f"worldqa, not known without a search ({n_asked - 7}); 95% intervals" in " ".join(printed(report).split())


def test_a_run_without_models_has_no_empty_section(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    run.corpus()
    run.trajectories("scripted", 0.5)
    report = write_report(run.ledger, config(tmp_path), 34.0)
    sections = [section.get("id") for section in page_of(run).iter("section")]
    assert sections == ["corpus", "trajectories", "examples", "stages", "settings"]
    text = printed(report)
    assert "trajectories/scripted" in text
    assert "span recall" not in text


def test_a_run_that_has_finished_nothing_still_has_a_report(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    assert write_report(run.ledger, config(tmp_path), 0.0).stages == []
    assert page_of(run).get_element_by_id("settings") is not None


def printed(report: object) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(summary_table(report))  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_terminals_table_fits_a_terminal(whole: PretendRun) -> None:
    settings = config(Path(whole.ledger.root))
    text = printed(report_of(whole.ledger, read_answers(whole.ledger), settings, 1.0))
    assert "…" not in text
    assert re.search(r"ramp-rl, search off +0\.\d{3} \[\.\d\d, \.\d\d\]", text)


def test_examples_are_one_right_and_one_wrong_of_each(whole: PretendRun) -> None:
    examples = read_examples(whole.ledger, ["scripted"], read_answers(whole.ledger))
    dapo = [example for example in examples if example.source == "ramp-rl"]
    assert [example.is_right for example in dapo] == [True, False]
    assert [mask.recall for mask in dapo[0].masks] == [1.0] * len(dapo[0].masks)
    wrong = dapo[1].masks[-1]
    assert (wrong.written, wrong.recall) == ("the <b>wrong</b> Kell", 0.0)
    assert "potter for Osk" in next(speech.text for speech in dapo[0].speeches if speech.kind == "information")
    scripted = next(example for example in examples if example.source == "scripted")
    assert [s.kind for s in scripted.speeches] == ["think", "search", "information", "think", "answer"]


def test_curves_know_where_the_curriculum_moves_on_and_what_a_step_left_out(whole: PretendRun) -> None:
    curves = {
        training.label: training for training in read_curves(whole.ledger, ["untrained", "base", "ramp-sft", "ramp-rl"])
    }
    assert curves["ramp-sft"].phases == [(1, 1.0), (101, 2.0), (201, 4.0)]
    assert curves["base"].phases == [(1, 0.0)]
    assert [label for label, training in curves.items() if training.is_rl] == ["ramp-rl"]
    assert 2 not in [step for step, _ in curves["ramp-rl"].series["parity"]]
    assert len(curves["ramp-rl"].series["parity"]) == 24


def test_phases_that_an_earlier_version_wrote_under_another_name_are_read(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path), SNAPSHOT)
    file = Path(ledger.folder("models", "ramp-sft")) / "metrics.jsonl"
    file.parent.mkdir(parents=True)
    lines = [{"step": 1, "stage": 1, "loss": 2.0}, {"step": 2, "stage": 1, "loss": 1.5}]
    resumed = {"step": 3, "phase": 2, "loss": 1.0}
    file.write_text("".join(json.dumps(line) + "\n" for line in [*lines, resumed]))
    (curves,) = read_curves(ledger, ["ramp-sft"])
    assert curves.phases == [(1, 1.0), (3, 2.0)]


def test_a_running_mean() -> None:
    assert smoothed([(1, 1.0), (2, 3.0), (3, 5.0), (4, 7.0)], share=0.5) == [(1, 1.0), (2, 2.0), (3, 4.0), (4, 6.0)]


def test_a_protocol_is_named_in_every_document(tmp_path: Path) -> None:
    run = PretendRun(str(tmp_path))
    run.everything()
    run.asked("worldqa.ramp-rl", "ramp-rl")
    run.asked("worldqa.base.prompt", "base", way="prompt", protocol="explained")
    run.asked("worldqa.base.four-tags", "base", protocol="four-tags")
    report = write_report(run.ledger, config(tmp_path), 1.0)
    written = json.loads((tmp_path / "report.json").read_text())
    named = {(row["model"], row["way"], row["protocol"]) for row in written["scores"] if "protocol" in row}
    assert named == {("base", "prompt", "explained"), ("base", "agent", "four-tags")}
    compared = {
        (row["b"]["way"], row["b"].get("protocol")) for row in written["comparisons"] if row["set"] == "worldqa"
    }
    assert compared == {("prompt", "explained"), ("agent", "four-tags")}
    read = current_report(run.ledger, config(tmp_path))
    assert read is not None and read.scores == report.scores, "what was written reads back"
    for text in (printed(report), scorecard_markdown(report), page_of(run).text_content()):
        assert "base, by prompt" in text and "base, four-tags" in text

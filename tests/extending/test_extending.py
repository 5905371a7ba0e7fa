"""docs/extending.md: what it shows works, from the config to what a stage makes."""

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.sets import inspect
from schemas.config import PipelineConfig, read_config
from schemas.corpus_settings import SPANS
from schemas.errors import BadInput, RunFailed
from schemas.jobs import TeacherJob
from schemas.records import Author, LeakGram, Proposals, Question, Trajectory
from schemas.set_settings import SETS
from schemas.settings import JUDGES, TEACHERS
from schemas.training_settings import REWARDS, CurriculumPhase, DapoSettings, OptimiserSettings
from schemas.training_steps import DapoStep
from tasks.agent.protocol import answer_turn
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import Stage, make, stages_of
from tests.extending.conftest import PAGE, blocks, modules, sections
from tests.support.examples import ramp_question, trajectory
from trainers.rl.groups import figures_of, group_of
from trainers.rl.prompts import Place
from trainers.rl.rewards.earned import Rewarder

TINY = Path(__file__).parents[1] / "chaos" / "tiny.yaml"
TEXT = "Arlen Brom lives in Kalo."
QUESTION = ramp_question(TEXT, ["Kalo"])
LONG = "Quiet boats leave the old harbour of Ostel long before anybody in the town is awake."


def config(tmp_path: Path, **overrides: Any) -> PipelineConfig:
    return read_config(TINY, {"runtime": {"root": str(tmp_path / "root"), "workers": 1}, **overrides})


def stage_of(config: PipelineConfig, name: str) -> Stage:
    return next(stage for stage in stages_of(config) if stage.stage == name)


def rewarded(settings: Mapping[str, Any], *answers: str) -> Any:
    """The group of these answers to a question, under this ``reward``."""
    dapo = DapoSettings(
        curriculum=[CurriculumPhase(max_masks=1, steps=1)], optimiser=OptimiserSettings(lr=0.1), reward=settings
    )
    rollouts = [trajectory(QUESTION, [(Author.MODEL, answer_turn("so", answer))]) for answer in answers]
    return group_of(QUESTION, Place(1, 0), rollouts, Rewarder(dapo, 1000))


# -- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_has_an_example_of_each_seam_of_at_most_twenty_lines() -> None:
    assert set(modules()) == {"harbour/brief.py", "harbour/tabbed.py", "harbour/lookup.py", "harbour/years.py"}
    assert {path: code for path, code in modules().items() if len(code.splitlines()) > 20} == {}


@pytest.mark.parametrize("seam", [REWARDS, SETS, TEACHERS, SPANS, JUDGES], ids=lambda seam: seam.group)
def test_the_page_names_every_group_of_entry_points_and_its_settings(seam: Any) -> None:
    assert f"`{seam.group}`" in PAGE.read_text()
    assert f"`{seam.base.__module__}.{seam.base.__name__}`" in PAGE.read_text()


def test_the_examples_of_tests_pass(harbour: None, tmp_path: Path) -> None:
    shown = [code for code in blocks("python") if not code.startswith("# harbour/")]
    assert len(shown) == 2
    question = ramp_question("far too many words", ["many"])
    for code in shown:
        exec(code, {"question": question, "trajectory": None, "tmp_path": tmp_path})


# -- settings and identity --------------------------------------------------------------------------------------------


def test_a_config_names_the_kinds_of_a_package(harbour: None, tmp_path: Path) -> None:
    shown = sections()
    found = config(
        tmp_path,
        teacher=shown["teacher"],
        training=shown["training"],
        ramp={"spans": shown["ramp.spans"], "leaks": shown["ramp.leaks"]},
    )
    assert found.teacher is not None and found.ramp.leaks is not None
    assert found.teacher.model_dump()["thought"] == "look for it"
    (rl,) = [step for step in found.training if isinstance(step, DapoStep)]
    assert rl.reward.model_dump()["most_words"] == 40
    assert found.ramp.spans.model_dump()["earliest"] == 1500
    published, tabbed = found.ramp.leaks.sets
    assert (published.kind, tabbed.model_dump()["header_lines"]) == ("published", 1)
    assert {stage.label for stage in stages_of(found)} >= {"lookup", "ramp-rl"}
    assert PipelineConfig.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"teacher": {"kind": "lookup", "thougt": "x"}}, "teacher.thougt: unknown field"),
        ({"teacher": {"kind": "lookup", "part_rows": 0}}, "teacher.part_rows: Input should be greater than 0"),
        (
            {"teacher": {"kind": "lokup"}},
            "there is no kind 'lokup': choose one of scripted, multi_agent; installed: lookup",
        ),
        (
            {"ramp": {"spans": {"kind": "years", "earliest": "old"}}},
            "ramp.spans.earliest: Input should be a valid integer",
        ),
        ({"ramp": {"leaks": {"sets": [{"kind": "tabbed"}]}}}, "ramp.leaks.sets.0.path: Field required"),
        (
            {"training": {"ramp-rl": {"reward": {"kind": "brief", "most_words": 2.5}}}},
            "training.ramp-rl.reward.most_words: Input should be a valid",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_place(
    harbour: None, tmp_path: Path, section: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as caught:
        config(tmp_path, **section)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def given(config: PipelineConfig, stage: str, label: str | None = None) -> dict[str, Any]:
    return next(each for each in stages_of(config) if each.stage == stage and label in (None, each.label)).reads.given


def test_kind_settings_and_version_are_part_of_the_fingerprint(
    harbour: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = {"kind": "lookup"}
    plain = given(config(tmp_path, teacher=lookup), "trajectories")
    assert plain["teacher"] == {"kind": "lookup", "version": 1, "part_rows": 40}
    assert given(config(tmp_path, teacher={**lookup, "thought": "look it up"}), "trajectories") == plain, "a default"
    assert given(config(tmp_path, teacher={**lookup, "thought": "?"}), "trajectories") != plain
    monkeypatch.setattr(importlib.import_module("harbour.lookup").Lookup.Settings, "version", 2)
    assert given(config(tmp_path, teacher=lookup), "trajectories") != plain


@pytest.mark.parametrize(
    ("stage", "label", "section"),
    [
        ("trajectories", None, lambda kind: {"teacher": {"kind": kind}}),
        (
            "spans",
            None,
            lambda kind: {"ramp": {"spans": {"kind": kind, **({"model": "m"} if kind == "spacy" else {})}}},
        ),
        ("leaks", None, lambda kind: {"ramp": {"leaks": {"sets": [{"kind": kind, "path": "a/b"}]}}}),
        ("models", "ramp-rl", lambda kind: {"training": {"ramp-rl": {"reward": {"kind": kind}}}}),
    ],
)
def test_no_two_kinds_have_one_fingerprint(
    harbour: None, tmp_path: Path, stage: str, label: str | None, section: Any
) -> None:
    seam = {"trajectories": TEACHERS, "spans": SPANS, "leaks": SETS, "models": REWARDS}[stage]
    kinds = [kind for kind in (*seam.built_in, *seam.installed) if (stage, kind) != ("spans", "links")]
    found = [json.dumps(given(config(tmp_path, **section(kind)), stage, label), sort_keys=True) for kind in kinds]
    assert len(kinds) > 1
    assert len(set(found)) == len(kinds)


def test_a_set_may_move_and_its_settings_may_not_change_unseen(harbour: None, tmp_path: Path) -> None:
    def of(**changed: Any) -> dict[str, Any]:
        entry = {"kind": "tabbed", "path": "here/quiz/a.tsv", **changed}
        return given(config(tmp_path, ramp={"leaks": {"sets": [entry]}}), "leaks")

    assert of(path="there/quiz/a.tsv") == of()
    assert of(path="there/quiz/b.tsv") != of()
    assert of(header_lines=1) != of()


def test_a_job_s_config_of_another_version_is_refused_in_one_line(harbour: None, tmp_path: Path) -> None:
    job = TeacherJob.model_validate(
        {
            "output": str(tmp_path),
            "snapshot": "enwiki-20240101",
            "label": "l",
            "index": "i",
            "fingerprint": "f",
            "questions": [],
            "agent": {},
            "settings": {"kind": "lookup"},
            "endpoint": None,
        }
    )
    assert TeacherJob.model_validate_json(job.model_dump_json()) == job
    written = tmp_path / "job.json"
    written.write_text(job.model_dump_json().replace('"version":1', '"version":7'))
    command = [sys.executable, "-m", "tasks.teachers.teach", str(written)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "settings: kind lookup: these settings are for version 7 of it, and version 1 is installed" in line


# -- what cannot be used ----------------------------------------------------------------------------------------------

SETTINGS = """
from typing import ClassVar, Literal
from schemas.training_settings import RewardSettings
class Settings(RewardSettings):
    kind: Literal["{kind}"] = "{kind}"
    {version}
class Reward:
    Settings = Settings
"""


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('no licence')", "cannot be loaded: RuntimeError: no licence"),
        ("", "cannot be loaded: AttributeError"),
        ("class Reward: pass", "it is not a class that has a class Settings(RewardSettings)"),
        ("def Reward(settings): return 1", "it is not a class that has a class Settings(RewardSettings)"),
        (SETTINGS.format(kind="poor", version=""), "its Settings need a version: ClassVar[int] = 1"),
        (SETTINGS.format(kind="rich", version="version: ClassVar[int] = 1"), 'need the field kind: Literal["poor"]'),
    ],
)
def test_a_package_that_cannot_be_used_is_one_line_that_names_it(
    install: Any, tmp_path: Path, module: str, said: str
) -> None:
    install({"sad/poor.py": module}, {"masksearch.rewards": {"poor": "sad.poor:Reward"}}, name="sad")
    with pytest.raises(BadInput) as caught:
        config(tmp_path, training={"ramp-rl": {"reward": {"kind": "poor"}}})
    assert (
        "training.ramp-rl.reward: the entry point poor of masksearch.rewards (package sad 0.1.0, sad.poor:Reward)"
        in str(caught.value)
    )
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_that_does_not_implement_the_interface_is_named(install: Any, tmp_path: Path) -> None:
    alone = SETTINGS.format(kind="poor", version="version: ClassVar[int] = 1")
    install({"sad/poor.py": alone}, {"masksearch.rewards": {"poor": "sad.poor:Reward"}}, name="sad")
    with pytest.raises(BadInput, match=r"poor of masksearch.rewards: Reward does not inherit AnswerReward"):
        rewarded({"kind": "poor"}, TEXT)
    bare = alone.replace("class Reward:", "class Bare(AnswerReward):").replace(
        "from typing", "from trainers.rl.rewards.interface import AnswerReward\nfrom typing"
    )
    install(
        {"bare/poor.py": bare.replace("poor", "bare")}, {"masksearch.rewards": {"bare": "bare.poor:Bare"}}, name="bare"
    )
    with pytest.raises(BadInput, match=r"bare of masksearch.rewards: Bare lacks __call__"):
        rewarded({"kind": "bare"}, TEXT)


def test_two_packages_of_one_name_are_refused(harbour: None, install: Any, tmp_path: Path) -> None:
    install({}, {"masksearch.rewards": {"brief": "other:Brief"}}, name="other")
    with pytest.raises(BadInput, match=r"several packages have .*brief.*: harbour 0\.1\.0, other 0\.1\.0"):
        config(tmp_path, training={"ramp-rl": {"reward": {"kind": "brief"}}})


# -- at work ----------------------------------------------------------------------------------------------------------


def test_a_reward_scores_the_answers_of_a_group(harbour: None) -> None:
    group = rewarded({"kind": "brief", "most_words": 5}, TEXT, f"{TEXT} {TEXT}", "no idea")
    assert [reward.answer for reward in group.rewards] == [1.0, 0.5, 0.0]
    assert [reward.recall for reward in group.rewards] == [1.0, 1.0, 0.0]
    assert group.rewards[0].total == pytest.approx(1.0)
    assert figures_of([group])["answer_reward"] == pytest.approx(0.5)


@pytest.mark.parametrize("score", ["1.01", "-0.5", "float('nan')"])
def test_a_score_that_is_no_share_ends_the_training_in_one_line(install: Any, score: str) -> None:
    code = modules()["harbour/brief.py"].replace("recall / 2", score)
    install({"harbour/brief.py": code}, {"masksearch.rewards": {"brief": "harbour.brief:Brief"}})
    with pytest.raises(
        RunFailed, match=r"reward.kind brief: the score of an answer to .* is .*; a score is from 0 to 1"
    ):
        rewarded({"kind": "brief", "most_words": 1}, TEXT)


def test_a_layout_s_texts_must_not_be_trained_on(harbour: None, tmp_path: Path) -> None:
    quiz = tmp_path / "sets" / "quiz.tsv"
    quiz.parent.mkdir()
    quiz.write_text(
        f"question\tanswer\tpassage\nWhere do boats leave before anybody is awake in the town?\tOstel\t{LONG}\n"
    )
    sets = [{"kind": "tabbed", "path": str(quiz), "header_lines": 1}]
    settings = config(tmp_path, ramp={"leaks": {"sets": sets}})
    made = make(settings, stage_of(settings, "leaks"), lambda progress: None)
    assert list(made.figures["runs_by_set"]) == ["sets/quiz.tsv"]
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("leaks", "v1")
    assert len(list(storage.read_rows(f"{folder}/part-all.parquet", LeakGram))) == made.rows > 1


def test_a_layout_s_questions_are_those_of_a_set(harbour: None, tmp_path: Path) -> None:
    quiz = tmp_path / "quiz.tsv"
    quiz.write_text(f"question\tanswer\tpassage\nWhat do boats leave?\tOstel\t{LONG}\n")
    settings = config(tmp_path, sets={"quiz": {**sections()["sets"]["quiz"], "path": str(quiz)}})
    make(settings, next(stage for stage in stages_of(settings) if stage.label == "quiz"), lambda progress: None)
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("questions", "quiz")
    (row,) = storage.read_rows(f"{folder}/part-all.parquet", Question)
    assert (row.prompt, row.gold, row.split) == ("What do boats leave?", ["Ostel"], "test")
    assert [(passage.title, passage.text) for passage in row.support] == [("", LONG)]


def test_the_command_sets_shows_what_a_layout_reads(
    harbour: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiz = tmp_path / "quiz.tsv"
    quiz.write_text(f"What do boats leave?\tOstel\t{LONG}\n")
    inspect(str(quiz), "tabbed", True, Console())
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"layout": "tabbed", "questions": 1, "rejects": {}}


def test_a_stage_of_another_version_is_refused_by_what_differs(
    harbour: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiz = tmp_path / "quiz.tsv"
    quiz.write_text(f"a question\tan answer\t{LONG}\n")
    settings = config(tmp_path, ramp={"leaks": {"sets": [{"kind": "tabbed", "path": str(quiz)}]}})
    make(settings, stage_of(settings, "leaks"), lambda progress: None)
    monkeypatch.setattr(importlib.import_module("harbour.tabbed").Tabbed.Settings, "version", 2)
    with pytest.raises(BadInput, match=r"sets was .*'version': 1.* is .*'version': 2"):
        make(settings, stage_of(settings, "leaks"), lambda progress: None)


def test_a_line_that_a_layout_cannot_read_is_reported_with_its_file(harbour: None, tmp_path: Path) -> None:
    quiz = tmp_path / "quiz.tsv"
    quiz.write_text("a question without a passage\n")
    settings = config(tmp_path, ramp={"leaks": {"sets": [{"kind": "tabbed", "path": str(quiz)}]}})
    with pytest.raises(BadInput, match=rf"{quiz} is not of the layout tabbed: ValueError: not enough values"):
        make(settings, stage_of(settings, "leaks"), lambda progress: None)


@pytest.mark.slow
def test_a_pipeline_names_spans_and_teaches_by_a_package(harbour: None, tmp_path: Path) -> None:
    settings = config(
        tmp_path,
        ramp={"spans": {"kind": "years"}},
        teacher={"kind": "lookup"},
        training=[],
        **dict.fromkeys(("model", "evaluation")),
    )
    made = {str(stage): make(settings, stage, lambda progress: None) for stage in stages_of(settings)}
    ledger = Ledger(settings.runtime.root, settings.snapshot)

    def rows(stage: str, label: str, model: Any) -> list[Any]:
        parts = made[f"{stage}/{label}"].parts
        folder = ledger.folder(stage, label)
        return [row for part in parts for row in storage.read_rows(f"{folder}/part-{part}.parquet", model)]

    named = [span for row in rows("spans", "v1", Proposals) for span in row.spans]
    assert named and all(span.surface.isdigit() and span.kind == "date" for span in named)
    taught = rows("trajectories", "lookup", Trajectory)
    assert {(row.teacher, row.model) for row in taught} == {("lookup", "lookup")}
    assert {row.verdict.judge for row in taught} == {"rule: recall at every mask >= 1"}
    assert made["trajectories/lookup"].figures["verdicts"]["correct"] > 0

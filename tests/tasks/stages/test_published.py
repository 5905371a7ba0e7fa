"""Published models and foreign protocols as stages: what names them, what identifies them, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from tasks.evaluation.scores import Side
from tasks.ledger.ledger import Ledger
from tasks.making.needs import PublishedModel
from tasks.pipeline.graph import Stage, is_finished, make, stages_of
from tasks.report.document import pairs_of
from tasks.report.summary import contestant
from tests.support.published_model import save_published_model

FOUR = {"name": "four", "message": "Use <search> or <answer>. {question}", "limits": {"max_tokens": 900}}
OTHER = {**FOUR, "name": "other"}


def config(root: object, *contestants: dict[str, Any], **sections: Any) -> PipelineConfig:
    document = {
        "name": "published",
        "snapshot": "smallworld-20260101",
        "world": {"families": {"train": 1, "test": 1}},
        "evaluation": {"sets": {"ramp": {"contestants": list(contestants)}}},
        "tokenizer": {},
        "model": {},
        "runtime": {"root": str(root)},
    }
    return PipelineConfig.model_validate({**document, **sections})


def answers(settings: PipelineConfig) -> dict[str, Stage]:
    return {stage.label: stage for stage in stages_of(settings) if stage.stage == "answers"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(save_published_model(tmp_path_factory.mktemp("published") / "model", longest=1024))


def test_labels_tell_contestants_apart(tmp_path: Path) -> None:
    published = {"model": "pub", "path": "models/pub"}
    found = answers(
        config(
            tmp_path,
            {"model": "start"},
            {"model": "start", "way": "prompt"},
            {"model": "start", "way": "prompt", "retrieval": "none"},
            {**published, "protocol": FOUR},
            {**published, "protocol": OTHER, "retrieval": "random"},
            {**published, "way": "rag"},
            {**published, "way": "direct"},
        )
    )
    assert list(found) == [
        *("ramp.untrained", "ramp.untrained.prompt", "ramp.untrained.prompt.none"),
        *("ramp.pub.four", "ramp.pub.random.other", "ramp.pub.rag", "ramp.pub.direct"),
    ]
    upstreams = {label: {stage for stage, _ in each.upstreams} for label, each in found.items()}
    assert {"models", "tokenizer"} <= upstreams["ramp.untrained.prompt"]
    assert {"models", "tokenizer"}.isdisjoint(upstreams["ramp.pub.four"]), "it has its own tokenizer"
    assert "published" in upstreams["ramp.pub.four"]


def test_a_protocol_is_identity_by_its_content_and_its_defaults_are_left_out(tmp_path: Path) -> None:
    def given(protocol: Any, way: str = "agent") -> Any:
        (stage,) = answers(config(tmp_path, {"model": "start", "way": way, "protocol": protocol})).values()
        return stage.reads.given

    path = tmp_path / "protocol.yaml"
    path.write_text(json.dumps(FOUR))
    moved = shutil.copy(path, tmp_path / "moved.yaml")
    assert given(str(path)) == given(str(moved)) == given(FOUR) == given({**FOUR, "question_mark": False})
    assert given({**FOUR, "question_mark": True}) != given(FOUR)
    assert given(FOUR)["protocol"] == FOUR
    assert "protocol" not in given(None), "the pipeline's own leaves fingerprints as they are"
    assert given(None, "prompt")["protocol"]["name"] == "explained"


def test_a_published_model_is_identity_by_its_files(tmp_path: Path, model: Path) -> None:
    path = shutil.copytree(model, tmp_path / "a")
    settings = config(tmp_path / "root", {"model": "pub", "path": str(path), "way": "prompt"})
    (stage,) = [stage for stage in stages_of(settings) if stage.stage == "published"]
    make(settings, stage, lambda progress: None)
    elsewhere = config(tmp_path / "root", {"model": "pub", "path": str(path.rename(tmp_path / "b")), "way": "prompt"})
    (moved,) = [stage for stage in stages_of(elsewhere) if stage.stage == "published"]
    assert is_finished(elsewhere, moved)
    (tmp_path / "b" / "config.json").write_text("{}")
    with pytest.raises(BadInput, match=r"published/pub .*the model pub had"):
        is_finished(elsewhere, moved)
    assert Ledger(str(tmp_path / "root"), settings.snapshot).manifest("published", "pub") is not None


def need(settings: PipelineConfig) -> PublishedModel:
    (found,) = [each for stage in stages_of(settings) if stage.stage == "published" for each in stage.needs]
    assert isinstance(found, PublishedModel)
    return found


def test_what_a_published_model_lacks_is_found_before_the_start(tmp_path: Path, model: Path) -> None:
    short = {"model": "pub", "path": str(model), "protocol": FOUR}
    assert need(config(tmp_path, short)).look() == f"published model: {model}"
    with pytest.raises(BadInput, match=r"pub, .*: the model reads 1024 tokens, and its answers may have 4096"):
        need(config(tmp_path, {"model": "pub", "path": str(model), "way": "rag"})).look()
    agent = {"max_tokens": 512}
    with pytest.raises(BadInput, match=r"lacks tags of the pipeline's own protocol.*: set way: prompt, or name the"):
        need(config(tmp_path, {"model": "pub", "path": str(model)}, agent=agent)).look()
    bare = shutil.copytree(model, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(BadInput, match=r"bare: no tokenizer.json in it"):
        need(config(tmp_path, {**short, "path": str(bare)})).look()
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        need(config(tmp_path, {**short, "path": "nowhere"})).look()


def test_the_last_model_is_compared_with_published_ones_and_those_asked_by_prompt(tmp_path: Path) -> None:
    step = {"name": "base", "kind": "language_modelling", "steps": 1, "optimiser": {"lr": 0.1}}
    published = {"model": "pub", "path": "models/pub", "protocol": FOUR}
    settings = config(tmp_path, {"model": "base"}, published, training=[step])
    base, pub = Side(model="base", way="agent", retrieval="live"), Side(model="pub", way="agent", retrieval="live")
    sides = [
        base,
        pub.model_copy(update={"protocol": "four"}),
        pub.model_copy(update={"protocol": "four", "retrieval": "none"}),
        Side(model="untrained", way="prompt", retrieval="live", protocol="explained"),
        base.model_copy(update={"retrieval": "random"}),
    ]
    assert [(a, contestant(b)) for a, b in pairs_of(settings, sides)] == [
        (base, "pub, four"),
        (base, "untrained, by prompt"),
    ]
    assert contestant(sides[2]) == "pub, search off, four"

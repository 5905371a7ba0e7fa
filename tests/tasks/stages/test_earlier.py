"""Stages that take note of an earlier snapshot: another, or one made anew, is told; one that is gone is none."""

from pathlib import Path

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import Recipe
from schemas.records import Redirect
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.stages.questions import earlier_parts
from tests.support.noting_stages import config_of, finished, forget, made, making_of, refused, stage_of

BEFORE, LONG_BEFORE = "enwiki-20230101", "enwiki-20220101"


def earlier_stage(tmp_path: Path, snapshot: str, stage: str, label: str, told: str) -> str:
    """A finished stage of another snapshot that holds what is told; whatever was there is gone. Its folder."""
    ledger = Ledger(str(tmp_path / "root"), snapshot)
    storage.remove(ledger.folder(stage, label))
    recipe = Recipe(stage=stage, label=label, snapshot=snapshot, version=1, settings={}, given={}, upstreams=[])
    opened = ledger.open(recipe)
    row = Redirect(snapshot=snapshot, title=told, target="x")
    opened.finish(parts={"0": opened.parts(Redirect).commit("0", [row], [], {}, 0.0)})
    return opened.folder


def asking_again(tmp_path: Path, snapshot: str = BEFORE, **labels: str) -> PipelineConfig:
    return config_of(tmp_path, ramp={"masks_of": snapshot}, labels=labels)


def changed_since(tmp_path: Path, snapshot: str = BEFORE, **labels: str) -> PipelineConfig:
    return config_of(tmp_path, ramp={"changed_since": snapshot}, labels=labels)


def test_a_changed_or_rebuilt_earlier_snapshot_is_refused(tmp_path):
    folder = earlier_stage(tmp_path, BEFORE, "questions", "v1", "old")
    earlier_stage(tmp_path, LONG_BEFORE, "questions", "v1", "older")
    config = asking_again(tmp_path)
    made(config, "earlier_questions")
    assert finished(config, "earlier_questions")
    told = refused(asking_again(tmp_path, LONG_BEFORE), "earlier_questions")
    assert f"the earlier snapshot was {BEFORE}, the config says {LONG_BEFORE}" in told
    earlier_stage(tmp_path, BEFORE, "questions", "v1", "odd")
    assert f"{BEFORE}/questions/v1 was built anew with other rows" in refused(config, "earlier_questions")
    with pytest.raises(BadInput, match="the stage that earlier_questions noted is gone"):
        earlier_parts(making_of(config, "questions", "earlier_questions"))
    storage.remove(folder)
    assert finished(config, "earlier_questions"), "it may be gone"


def test_a_stage_under_another_label_reads_what_its_own_upstream_noted(tmp_path):
    for stage in ("passages", "index"):
        earlier_stage(tmp_path, BEFORE, stage, "v1", "old")
    made(changed_since(tmp_path), "earlier_passages")
    earlier_stage(tmp_path, BEFORE, "index", "v1", "odd")
    assert f"{BEFORE}/index/v1 was built anew with other rows" in refused(changed_since(tmp_path), "earlier_passages")
    relabelled = changed_since(tmp_path, changes="c2")
    with pytest.raises(BadInput, match="the stage that earlier_passages noted is gone"):
        stage_of(relabelled, "changes").make(making_of(relabelled, "changes", "earlier_passages"))
    made(changed_since(tmp_path, earlier_passages="e2"), "earlier_passages")


@pytest.mark.parametrize(
    ("labels", "label"),
    [({}, "v1"), ({"questions": "q2"}, "v1"), ({"questions": "q2", "earlier/questions": "q7"}, "q7")],
)
def test_earlier_questions_have_their_own_label(tmp_path, labels, label):
    folders = {label: earlier_stage(tmp_path, BEFORE, "questions", label, label) for label in ("v1", "q7")}
    config = asking_again(tmp_path, **labels)
    made(config, "earlier_questions")
    assert finished(config, "earlier_questions")
    found = earlier_parts(making_of(config, "questions", "earlier_questions"))
    assert found == {"0": f"{folders[label]}/part-0.parquet"}
    other = {**labels, "earlier/questions": "v1" if label == "q7" else "q7"}
    refused(asking_again(tmp_path, **other), "earlier_questions")


def test_a_label_that_the_earlier_snapshot_lacks_is_reported_with_the_setting_to_change(tmp_path):
    earlier_stage(tmp_path, BEFORE, "questions", "q7", "old")
    with pytest.raises(BadInput, match=r"its stage questions/v1 is not finished .*\(labels: {earlier/questions: …}\)"):
        made(asking_again(tmp_path), "earlier_questions")


def test_digests_noted_before_earlier_labels_existed_are_recognised(tmp_path):
    earlier_stage(tmp_path, BEFORE, "questions", "v1", "other")
    earlier_stage(tmp_path, BEFORE, "questions", "q2", "old")
    made(asking_again(tmp_path, **{"earlier/questions": "q2"}), "earlier_questions")
    config = asking_again(tmp_path, questions="q2")
    forget(config, "earlier_questions")
    assert finished(config, "earlier_questions")
    earlier_stage(tmp_path, BEFORE, "questions", "q2", "odd")
    refused(config, "earlier_questions")

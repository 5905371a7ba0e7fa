"""A set of the world's claims, from the made-up world to what the teacher writes about them."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest
from schemas.records import Question, Trajectory
from tasks.agent.protocol import prompt_of
from tasks.agent.tokenizer import AgentTokenizer
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import make, stages_of

SNAPSHOT = "smallworld-20260101"
WORLD = {"families": {"train": 3, "test": 1}, "retellings": 4, "questions": 2, "claims": 4}

TRAINED = {
    "name": "claims-sft",
    "kind": "sft",
    "on": "worldclaims",
    "curriculum": [{"max_hops": 3, "steps": 1}],
    "optimiser": {"lr": 1e-3},
}


def config_of(root: Path, **sections: Any) -> PipelineConfig:
    document = {
        "name": "claims",
        "snapshot": SNAPSHOT,
        "world": WORLD,
        "ramp": {"splits": "table"},
        "agent": {"hits": 2, "hold_back": "page"},
        "sets": {"worldqa": {}, "worldclaims": {"world": "claims"}},
        "tokenizer": {"vocabulary": 800},
        "model": {},
        "teacher": {"kind": "scripted"},
        "training": [TRAINED],
        "runtime": {"root": str(root), "workers": 1},
    }
    return PipelineConfig.model_validate({**document, **sections})


def made(config: PipelineConfig, *names: str) -> dict[str, StageManifest]:
    """The manifests of these stages, made with all that they are made from."""
    stages = {str(stage): stage for stage in stages_of(config)}
    manifests: dict[str, StageManifest] = {}

    def build(name: str) -> None:
        for upstream in stages[name].upstreams:
            build("/".join(upstream))
        if name not in manifests:
            manifests[name] = make(config, stages[name], lambda progress: None)

    for name in names:
        build(name)
    return manifests


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PipelineConfig:
    return config_of(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="module")
def manifests(config: PipelineConfig) -> dict[str, StageManifest]:
    return made(config, "questions/worldqa", "trajectories/worldclaims-scripted")


def rows_of(config: PipelineConfig, stage: str, label: str, kind: Any) -> list[Any]:
    paths = Ledger(config.runtime.root, SNAPSHOT).data_paths(stage, label)
    return [row for path in paths for row in storage.read_rows(path, kind)]


def test_the_set_has_the_claims_of_each_split_and_the_other_set_the_questions(
    config: PipelineConfig, manifests: dict[str, StageManifest]
) -> None:
    claims = rows_of(config, "questions", "worldclaims", Question)
    assert {claim.kind for claim in claims} == {"claim"}
    assert sorted({claim.gold[0] for claim in claims}) == ["refuted", "supported"]
    assert manifests["questions/worldclaims"].figures["by_split_and_hops"] == {
        "test": {"1": 4, "2": 4, "3": 4},
        "train": {"1": 12, "2": 12, "3": 12},
    }
    assert {question.kind for question in rows_of(config, "questions", "worldqa", Question)} == {"qa"}


def test_the_teacher_decides_all_claims_of_the_train_split(
    config: PipelineConfig, manifests: dict[str, StageManifest]
) -> None:
    figures = manifests["trajectories/worldclaims-scripted"].figures
    assert figures["verdicts_by_level"] == {level: {"correct": 12} for level in "123"}
    answers = [row.answer for row in rows_of(config, "trajectories", "worldclaims-scripted", Trajectory)]
    assert answers.count("supported") == answers.count("refuted") == 18


def test_every_word_of_a_claim_s_prompt_is_one_token_and_so_is_its_label(
    config: PipelineConfig, manifests: dict[str, StageManifest]
) -> None:
    folder = Ledger(config.runtime.root, SNAPSHOT).folder("tokenizer", "v1")
    tokenizer = AgentTokenizer.load(f"{folder}/tokenizer")
    claim = rows_of(config, "questions", "worldclaims", Question)[0]
    asked = prompt_of(claim, config.agent).split("\n")[1]
    assert len(tokenizer.encode(asked)) == len(["Is", "this", "supported", "or", "refuted", "?"])
    assert tokenizer.encode("supported")[0] in tokenizer.encode(asked), "the label can be copied from the prompt"
    assert len(tokenizer.encode("refuted")) == 1


def test_a_tokenizer_of_a_world_without_claims_reads_passages_alone(tmp_path: Path) -> None:
    sets, world = {"worldqa": {}}, {**WORLD, "claims": 0}
    config = config_of(tmp_path, sets=sets, world=world, training=[])
    made(config, "tokenizer/v1")
    folder = Ledger(config.runtime.root, SNAPSHOT).folder("tokenizer", "v1")
    assert len(AgentTokenizer.load(f"{folder}/tokenizer").encode("refuted")) > 1


def test_questions_and_claims_under_one_label_are_different_sets(
    config: PipelineConfig, manifests: dict[str, StageManifest]
) -> None:
    swapped = config_of(Path(config.runtime.root), sets={"worldqa": {}, "worldclaims": {}})
    with pytest.raises(
        BadInput, match=r"leaks/v1 was built with other inputs or settings: held was .*'world': 'claims'"
    ):
        made(swapped, "questions/worldclaims")


def test_claims_without_steps_are_refused_for_the_scripted_teacher_when_they_are_read(tmp_path: Path) -> None:
    line = {"id": 1, "claim": "Ostel is a town.", "label": "SUPPORTS", "evidence": [[[1, 2, "Ostel", 0]]]}
    (tmp_path / "fever.jsonl").write_text(json.dumps(line))
    asked: dict[str, Any] = {
        "sets": {"worldclaims": {"path": str(tmp_path / "fever.jsonl"), "split": "train"}},
        "training": [{**TRAINED, "curriculum": [{"steps": 1}]}],
    }
    with pytest.raises(BadInput, match=r"claims-sft: .* has no question .* that teacher\.kind scripted can answer"):
        made(config_of(tmp_path / "root", **asked), "questions/worldclaims")
    other = config_of(tmp_path / "root", **asked, teacher={"kind": "multi_agent"})
    assert made(other, "questions/worldclaims")["questions/worldclaims"].rows == 1

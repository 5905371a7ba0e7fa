"""What the documents name exists: commands, targets, programs, paths, settings, figures, versions."""

import importlib.util
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel
from typer.main import get_command

from flows.cli import app
from schemas.config import PipelineConfig, config_of
from schemas.config_files import document_of, parsed
from schemas.experiments import Experiments
from tasks.pipeline.registry import KINDS
from tasks.stages.dapo import DapoStage
from tests.docs.pages import DOCS, DOCUMENTS, ROOT, blocks, code, name, table

COMMANDS = typing.cast(typer.core.TyperGroup, get_command(app)).commands
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
"""All but the changelog, which names what was removed."""
_PATH = re.compile(r"(?:deploy|docs|flows|retrieval_index|schemas|tasks|tests|trainers)/[\w./-]+")


def _options(command: str) -> set[str]:
    options = {word for parameter in COMMANDS[command].params for word in parameter.opts}
    return options | {"--help", "-h"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_commands_and_their_options_exist(path: Path) -> None:
    for line in code(path):
        for words in re.findall(r"(?:^|`)masksearch ([^`]*)", line):
            first, *more = re.split(r"\s{3,}", words)[0].split()
            if first == "--help":
                continue
            assert first in COMMANDS, f"{line}: no such command"
            options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(more)))
            assert options <= _options(first), f"{line}: no such option"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_targets_of_make_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words for line in code(path) for words in re.findall(r"^make ([a-z]+)", line)}
    assert named <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_programs_exist(path: Path) -> None:
    for line in code(path):
        for module in re.findall(r"python -m ([\w.]+)", line):
            if module != "pytest":
                assert importlib.util.find_spec(module) is not None, line


@pytest.mark.parametrize("path", CURRENT, ids=name)
def test_paths_exist(path: Path) -> None:
    for line in code(path):
        for place in _PATH.findall(line) if "://" not in line else []:
            assert (ROOT / place).exists(), f"{line}: {place} does not exist"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name != "extending.md"], ids=name)
def test_blocks_of_settings_are_valid_configs(path: Path) -> None:
    """A block is checked over the sample, whose runtime it replaces, unless it is a file of experiments.

    tests/extending checks those of extending.md.
    """
    for block in blocks(path, "yaml"):
        given = parsed(block)
        if "experiments" in given:
            Experiments.model_validate(given)
            continue
        parent = ROOT / given.pop("extends", "deploy/configs/sample.yaml")
        runtime = {"root": "runs/docs", **given.pop("runtime", {})}
        config_of(name(path), {**document_of(parent, given), "runtime": runtime})


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that a setting may hold, those of its kinds among them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for kind in annotation.__subclasses__():
            yield from _models(kind)
    elif typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType, list):
        for argument in typing.get_args(annotation):
            yield from _models(argument)


def _is_setting(path: list[str], models: list[type[BaseModel]]) -> bool:
    first, *rest = path
    fields = [model.model_fields[first].annotation for model in models if first in model.model_fields]
    return bool(fields) and (not rest or _is_setting(rest, [model for field in fields for model in _models(field)]))


@pytest.mark.parametrize("path", CURRENT, ids=name)
def test_settings_exist(path: Path) -> None:
    for line in code(path):
        setting = re.match(r"([a-z_]+(?:\.[a-z_]+)+)(?=[:\s]|$)", line)
        if setting is None or setting[1].split(".")[0] not in PipelineConfig.model_fields:
            continue
        if setting[1].endswith((".yaml", ".json", ".jsonl", ".py")):
            continue
        assert _is_setting(setting[1].split("."), [PipelineConfig]), setting[1]


def test_the_readme_repeats_the_scorecard_of_the_results() -> None:
    heading = "| model | span recall"
    assert table(ROOT / "README.md", heading) == table(DOCS / "results.md", heading) != []


def test_the_shipped_configs_are_listed() -> None:
    listed = {cell.strip("`") for cell, _ in table(DOCS / "configuration.md", "| config | builds")}
    assert listed == {path.name for path in (ROOT / "deploy" / "configs").glob("*.yaml")}


def test_the_changelog_names_the_versions_that_stages_have() -> None:
    listed: dict[str, int] = {}
    for names, versions, _ in table(ROOT / "CHANGELOG.md", "| stage | version"):
        now = int(versions.partition("→")[2])
        listed |= dict.fromkeys(re.findall(r"`([\w/]+)`", names), now)
    for kind in KINDS:
        stage = "models/dapo" if kind is DapoStage else kind.stage
        if kind.version > 1:
            assert listed.pop(stage, kind.version) == kind.version, stage
    assert not listed, "no stage has these versions"

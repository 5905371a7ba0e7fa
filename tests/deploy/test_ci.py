"""What CI and the hooks before a commit check: one script, and the versions that are pinned."""

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(accelerator: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / f"constraints-{accelerator}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines)


def test_the_workflow_runs_the_script_with_the_projects_python() -> None:
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    (version,) = [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")]
    assert f">={version}" in PROJECT["requires-python"]


def test_the_script_checks_style_types_contracts_docs_and_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line in ("make lint", "make docs", "make test")] == [
        *("make lint", "make docs", "make test")
    ]
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint is not None
    assert re.findall(r"bin/(.+)", lint[1]) == ["ruff format --check .", "ruff check .", "mypy", "lint-imports"]


def test_the_hooks_use_the_pinned_ruff() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    (revision,) = [repo["rev"] for repo in repos if repo["repo"].endswith("/ruff-pre-commit")]
    assert revision == f"v{pins('cpu')['ruff']}" == f"v{pins('cuda')['ruff']}"


@pytest.mark.parametrize("extra", ["test", "docs"])
def test_all_that_an_extra_installs_is_pinned(extra: str) -> None:
    """Also what its packages need: the same versions for both accelerators."""
    needed, open_ends = set(), [Requirement(line) for line in PROJECT["optional-dependencies"][extra]]
    while open_ends:
        requirement = open_ends.pop()
        key = requirement.name.lower().replace("_", "-")
        if key in needed:
            continue
        needed.add(key)
        for line in importlib.metadata.requires(requirement.name) or []:
            inner = Requirement(line)
            environments = [{"extra": name} for name in ("", *requirement.extras)]
            if inner.marker is None or any(inner.marker.evaluate(environment) for environment in environments):
                open_ends.append(inner)
    assert needed <= pins("cpu").keys()
    assert extra != "docs" or needed <= pins("cuda").keys()

"""The files that set up machines: they refer to existing things, and a wrong call is reported in one line."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from schemas.config import read_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def make(folder, *words):
    """The commands that `make` would run in the folder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("ACCELERATOR", "MAKEFLAGS")}
    command = ["make", "--dry-run", "--makefile", ROOT / "Makefile", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path):
    for name in ("pyproject.toml", "deploy/constraints-cpu.txt", "deploy/constraints-cuda.txt", "deploy/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_an_environment_keeps_its_accelerator(checkout):
    assert "setup.sh cpu .venv" in make(checkout, "run").stdout
    assert "setup.sh cuda .venv" in make(checkout, "setup", "ACCELERATOR=cuda").stdout
    (checkout / ".venv/.ready").write_text("cuda\n")
    assert "setup.sh" not in make(checkout, "run").stdout
    (checkout / "pyproject.toml").touch()
    os.utime(checkout / ".venv/.ready", (1, 1))
    assert "setup.sh cuda .venv" in make(checkout, "run").stdout, "anew, for the same"
    other = make(checkout, "setup", "ACCELERATOR=cpu")
    assert other.returncode == 2
    assert other.stderr.count("\n") == 1 and ".venv was made for cuda, not for cpu: run make clean" in other.stderr
    assert make(checkout, "clean", "ACCELERATOR=cpu").returncode == 0


def test_every_bench_for_cpus_is_run(checkout):
    run = re.findall(r"tests\.bench\.(\w+)", make(checkout, "bench").stdout)
    there = {path.stem for path in (ROOT / "tests" / "bench").glob("bench_*.py")}
    assert set(run) == there - {"bench_gpu_training"}


@pytest.mark.parametrize("name", ["bench_corpus", "bench_dapo"])
def test_a_bench_without_its_input_is_one_line(name, tmp_path):
    command = [sys.executable, "-m", f"tests.bench.{name}", tmp_path / "nothing"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1


def test_automations_are_not_registered_without_a_configured_server(tmp_path):
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-m", "deploy.automations"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: PREFECT_API_URL is not set") and run.stderr.count("\n") == 1


def test_the_image_holds_every_package_of_the_project_and_runs_as_a_user():
    lines = (DEPLOY / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [line.split() for line in lines if line and not line.startswith("#")]
    copied = {source for word, *paths in instructions if word == "COPY" for source in paths[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    assert copied >= {*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "pyproject.toml"}
    assert copied >= {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert ["RUN", "sh", "deploy/setup.sh", "cuda", ".venv"] in [words[:5] for words in instructions]
    assert [words for words in instructions if words[0] == "USER"] == [["USER", "1000"]]
    cuda = next(word for words in instructions for word in words if word.startswith("UV_TORCH_BACKEND=cu"))
    major = cuda.removeprefix("UV_TORCH_BACKEND=cu")[:2]
    assert f"nvidia-nccl-cu{major}==" in (DEPLOY / "constraints-cuda.txt").read_text()


def test_the_composed_worker_serves_the_pool_of_the_deployments_with_the_same_prefect():
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services, deployments = composed["services"], yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        assert all("healthcheck" in services[name] for name in service.get("depends_on", {}))
    build = services["worker"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    command = services["worker"]["command"]
    assert command[command.index("--pool") + 1] == deployments["definitions"]["work_pool"]["name"]
    version = deployments["prefect-version"]
    assert services["server"]["image"].startswith(f"prefecthq/prefect:{version}-")
    assert f"prefect=={version}" in PROJECT["project"]["dependencies"]


def test_the_checkout_has_the_same_path_in_every_example():
    working_dir = read_config(DEPLOY / "configs" / "enwiki.yaml").runtime.jobs.working_dir
    example = yaml.safe_load((DEPLOY / "kubernetes" / "jobs.example.yaml").read_text())["runtime"]
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["worker"]
    documented = re.findall(r"working_dir: (\S+?),", (ROOT / "docs" / "cluster.md").read_text())
    assert documented
    assert {working_dir} == {example["jobs"]["working_dir"], composed["working_dir"], *documented}
    assert example["root"] == read_config(DEPLOY / "configs" / "enwiki.yaml").runtime.root != working_dir

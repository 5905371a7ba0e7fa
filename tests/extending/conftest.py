"""The package of docs/extending.md, installed for a test as pip would: its modules, and the metadata of its entries."""

import importlib
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[str]:
    return [code for name, code in _BLOCK.findall(PAGE.read_text()) if name == language]


def modules() -> dict[str, str]:
    """The Python files of the page by path: each names its own in its first line."""
    first_lines = ((code.partition("\n")[0], code) for code in blocks("python"))
    return {line.removeprefix("# "): code for line, code in first_lines if line.startswith("# harbour/")}


def sections() -> dict[str, dict]:
    """The sections of a config that the page shows."""
    return {key: value for text in blocks("yaml") for key, value in _merged(yaml.safe_load(text)).items()}


def _merged(document: dict) -> dict:
    """``ramp`` stands on the page twice: by the part of it that is shown."""
    return {f"ramp.{key}": value for key, value in document["ramp"].items()} if "ramp" in document else document


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package: files by path, entry points by group; for this process and for those that it starts."""
    folder = tmp_path / "site-packages"
    installed = []

    def install(files: dict[str, str], entries: dict[str, dict[str, str]], name: str = "harbour") -> None:
        for path, text in {f"{name}/__init__.py": "", **files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        metadata = folder / f"{name}-0.1.0.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
        lines = [
            f"[{group}]\n" + "".join(f"{kind} = {value}\n" for kind, value in kinds.items())
            for group, kinds in entries.items()
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        importlib.invalidate_caches()
        installed.append(name)

    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    yield install
    for module in [module for module in sys.modules if module.partition(".")[0] in installed]:
        del sys.modules[module]


@pytest.fixture
def harbour(install: Install) -> None:
    """The package of the page."""
    install(modules(), tomllib.loads(blocks("toml")[0])["project"]["entry-points"])

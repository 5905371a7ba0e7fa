"""The pages build without a warning, and their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import DOCS, DOCUMENTS, ROOT, anchors, name

_LINK = re.compile(r"\]\(([^)\s]+)\)")


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, which names Python functions."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda _loader, suffix, _node: suffix)


def _pages(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    children = entry.values() if isinstance(entry, dict) else entry
    assert not isinstance(children, str)
    return [page for child in children for page in _pages(child)]  # type: ignore[attr-defined]


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = _pages(yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)["nav"])
    assert sorted(navigation) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    settings = (tmp_path / "configuration.html").read_text()
    assert "staleness" in settings and "stalled_minutes" in settings and "held_out_share" in settings


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in _LINK.findall(path.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.is_file(), f"{link}: no such file"
        assert not anchor or anchor in anchors(file), f"{link}: no such heading"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_pictures_are_small() -> None:
    for path in (DOCS / "images").iterdir():
        assert path.stat().st_size < 200_000, path.name

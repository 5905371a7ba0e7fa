"""The documents that users read, and what the tests look for in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = (*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")), *sorted(DOCS.glob("*.md")))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n(?:^(?: {4}.*)?\n)*)+", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without the indent of their fence."""
    found = []
    for indent, kind, body in _FENCE.findall(path.read_text()):
        if kind == language:
            found.append("".join(line.removeprefix(indent) for line in body.splitlines(keepends=True)))
    return found


def code(path: Path) -> list[str]:
    """Everything that stands as code outside fences: inline code, and the lines of indented blocks."""
    text = _FENCE.sub("", path.read_text())
    lines = [line.strip() for block in _INDENTED.findall(text) for line in block.splitlines()]
    return [*_INLINE.findall(_INDENTED.sub("", text)), *filter(None, lines)]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them of plain words."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(path: Path, columns: str) -> list[list[str]]:
    """The rows of all tables whose heading row begins with these columns."""
    rows, inside = [], False
    for line in path.read_text().splitlines():
        if not line.lstrip().startswith("|"):
            inside = False
        elif line.lstrip().startswith(columns):
            inside = True
        elif inside and not set(line) <= set("|- "):
            rows.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return rows

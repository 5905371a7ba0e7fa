"""The map of the code names the folders that exist, in the order of the import contracts."""

import re
import tomllib
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, table

MAP = DOCS / "map.md"
_HIDDEN = re.compile(r"__pycache__|\..*|.*\.egg-info")


def _ignored() -> set[str]:
    return {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/")}


def _folders(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.is_dir() and not _HIDDEN.fullmatch(path.name)]
    return [
        path for path in found if any(file.is_file() and "__pycache__" not in file.parts for file in path.rglob("*"))
    ]


def _rooms() -> list[str]:
    return [room for first, *_ in table(MAP, "| folder | holds") for room in re.findall(r"`([\w/]+)/`", first)]


def test_the_map_names_every_folder_once() -> None:
    floors = [path for path in _folders(ROOT) if path.name not in _ignored()]
    rooms = [room for floor in floors for room in _folders(floor)]
    assert sorted(_rooms()) == sorted(str(path.relative_to(ROOT)) for path in [*floors, *rooms])


def test_rooms_of_tasks_stand_in_the_order_of_their_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if "tasks.ledger" in contract.get("layers", []))
    of_room = {
        room.strip().replace(".", "/"): number for number, layer in enumerate(layers) for room in layer.split("|")
    }
    rooms = [room for room in _rooms() if room.startswith("tasks/")]
    assert set(rooms) == set(of_room)
    assert [of_room[room] for room in rooms] == sorted(of_room.values())


def test_the_diagrams_show_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    diagrams = " ".join(re.findall(r"```mermaid\n(.*?)```", MAP.read_text(), re.DOTALL))
    for contract in contracts:
        for layer in contract.get("layers", []):
            if layer.startswith("tasks."):
                assert layer.replace("tasks.", "").replace("|", "·") in diagrams, layer

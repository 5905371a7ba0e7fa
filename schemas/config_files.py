"""Config files: YAML documents that may extend one another, before they are validated."""

import re
from pathlib import Path
from typing import Any, ClassVar, TypeGuard

import yaml

from schemas.errors import BadInput


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML comes without types
    """YAML 1.2's booleans, so that `on` is a key like any other. It refuses a key that occurs twice, of which YAML's
    own loader would silently take the last one."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


def document_of(path: str | Path, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """A config's content before validation, merged with what it extends and with ``overrides``.

    Raises:
        BadInput: a file is missing or no config, or a change names an entry that a list does not have.
    """
    return _merged(_read(Path(path)), overrides or {})


def parsed(text: str) -> Any:
    """The content of a YAML text as configs are read; raises yaml.YAMLError."""
    return yaml.load(text, _Loader)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value)
        elif isinstance(value, dict) and _is_named(below):
            merged[key] = _merged_by_name(key, below, value)
        else:
            merged[key] = value
    return merged


def _is_named(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether a value is a list of mappings that have names, such as the steps of training."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "name" in each for each in value)


def _merged_by_name(section: str, under: list[dict[str, Any]], over: dict[str, Any]) -> list[dict[str, Any]]:
    names = [each["name"] for each in under]
    added = [{"name": name, **new} for name, new in over.items() if name not in names and _is_whole(new)]
    for name, change in over.items():
        if name not in names and not _is_whole(change):
            known = ", ".join(map(str, names))
            raise BadInput(f"{section}.{name}: nothing has that name: choose one of {known}, or give a new one a kind")
        if not isinstance(change, dict | None):
            raise BadInput(f"{section}.{name}: give a mapping of the settings that change, or null to remove it")
    kept = [each for each in under if over.get(each["name"], {}) is not None]
    return [*(_merged(each, over.get(each["name"], {})) for each in kept), *added]


def _is_whole(entry: Any) -> bool:
    """Whether an entry is not a change of another one: it has a kind."""
    return isinstance(entry, dict) and "kind" in entry


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The YAML document with what it extends; ``below`` are the files that extend this one."""
    try:
        document = parsed(path.read_text())
    except FileNotFoundError:
        raise BadInput(f"{path}: no such config file: check the path") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BadInput(f"{path}: not a YAML config: {line}{error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{path}: not a YAML config: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: not a config: its top level must be a mapping of sections")
    parent = document.pop("extends", None)
    return document if parent is None else _merged(_read_parent(path, parent, below), document)


def _read_parent(path: Path, parent: Any, below: tuple[Path, ...]) -> dict[str, Any]:
    if not isinstance(parent, str) or not parent:
        raise BadInput(f"{path}: extends: name one file, not {parent!r}")
    above, seen = path.parent / parent, (*below, path.resolve())
    if above.resolve() in seen:
        raise BadInput(f"{path}: extends {parent}, which extends it in turn: remove one of the two")
    return _read(above, seen)

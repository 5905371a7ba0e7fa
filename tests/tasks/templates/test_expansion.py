"""The tables of templates are consistent, and a rule of one wiki does not apply to another."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.templates import expansion
from tasks.templates.computed import KINDS
from tasks.templates.expansion import expand, template_table

TABLES = sorted((Path(expansion.__file__).parent / "tables").glob("*.yaml"))


class _Strict(yaml.SafeLoader):
    """Refuses a repeated key, of which YAML would silently keep the last."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
    return dict(zip(keys, (loader.construct_object(value, deep=True) for _, value in node.value), strict=True))


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_table_gives_every_name_one_rule(path: Path) -> None:
    rules = yaml.load(path.read_text("utf-8"), _Strict)
    ruled = [name for section in ("text", "computed") for names in rules.get(section, {}).values() for name in names]
    silent = rules.get("silent", [])
    assert all(isinstance(name, str) and name == " ".join(name.lower().split()) for name in [*ruled, *silent])
    assert len(ruled) == len(set(ruled)), sorted(name for name in ruled if ruled.count(name) > 1)
    assert not set(ruled) & set(silent)
    assert set(rules.get("computed", {})) <= set(KINDS)


@pytest.mark.parametrize("wiki", [path.stem for path in TABLES if path.stem != "all"])
def test_every_rule_can_be_called_without_parameters(wiki: str) -> None:
    rules = yaml.safe_load(next(path for path in TABLES if path.stem == wiki).read_text("utf-8"))
    names = [name for section in ("text", "computed") for group in rules[section].values() for name in group]
    assert names
    for name in names:
        expand(f"a {{{{{name.replace('*', 'en')}}}}} b", template_table(wiki))


def test_a_template_that_only_another_wiki_has_is_a_loss() -> None:
    for wiki, text in (
        ("fr", "{{circa|1500}}"),
        ("it", "{{as of|2010}}"),
        ("sv", "{{réf nécessaire}}"),
        ("de", "{{s-}}"),
    ):
        assert "\x02template:" in expand(text, template_table(wiki))[0], wiki


def test_a_wiki_without_a_table_has_the_common_one() -> None:
    assert expand("{{nowrap|a}} {{Mall:small|b}}{{!}}", template_table("sv")) == ("a b&#124;", {"nowrap", "small", "!"})

"""What holds of every stage by construction: it can read nothing that its fingerprint does not hold."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from schemas.config import PipelineConfig
from schemas.identity import Identity, Reads
from tasks.making.context import Making
from tasks.making.demand import Demand
from tasks.making.stage import Limit, Location, Stage
from tasks.pipeline.registry import KINDS
from tasks.stages.answers import Contest

ALL = tuple(KINDS)


def named(kind: type[Stage[Any]]) -> str:
    return kind.__name__


@pytest.mark.parametrize("kind", ALL, ids=named)
def test_what_a_stage_holds_besides_its_settings_changes_no_row(kind: type[Stage[Any]]) -> None:
    """A field that a kind adds is a location, a limit, what others ask of it, or a name; settings stand in `reads`."""
    own = {field.name for field in fields(kind)} - {field.name for field in fields(Stage)}
    hints = get_type_hints(kind)
    allowed = {Location, Limit, Demand, tuple[Contest, ...]}
    assert {name: hints[name] for name in own if hints[name] not in allowed} == {}


def test_making_a_stage_gives_it_no_config() -> None:
    hints = get_type_hints(Making)
    assert PipelineConfig not in hints.values()
    assert not [name for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Identity)]


@pytest.mark.parametrize("kind", ALL, ids=named)
def test_all_that_a_stage_reads_is_in_its_fingerprint(kind: type[Stage[Any]]) -> None:
    reads = get_type_hints(kind)["reads"] if "reads" in kind.__annotations__ else _reads_of(kind)
    assert issubclass(reads, Reads)
    made = reads.model_construct(**dict.fromkeys(reads.model_fields))
    assert set(made.given) == set(made.all) == set(reads.model_fields)


def _reads_of(kind: type[Stage[Any]]) -> Any:
    """The type parameter that a kind gives to `Stage`, directly or through a base of its own."""
    for base in (base for parent in kind.__mro__ for base in getattr(parent, "__orig_bases__", ())):
        for argument in getattr(base, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, Reads):
                return argument
    raise AssertionError(f"{kind.__name__} does not say what it reads")
